//! A real Chromium (Debian's packages `chromium` and `chromium-driver`), driven over the WebDriver protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::prometheus::free_port;
use super::{TIME_LIMIT, eventually};

/// A browser with one window.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: PathBuf,
}

/// Records violations of the content security policy from the start of the page.
const WATCH: &str = "window.violations = []; document.addEventListener('securitypolicyviolation', \
     (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));";

impl Browser {
    /// Starts a browser with an empty profile in a folder called `name`.
    pub fn start(name: &str) -> Self {
        let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("browser-{name}"));
        // It exists only if an earlier run was aborted.
        let _ = std::fs::remove_dir_all(&profile);
        std::fs::create_dir_all(&profile).expect("the folder can be made");
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver runs (Debian's package chromium-driver)");
        let mut browser = Self { driver, port, session: String::new(), profile };
        eventually(|| browser.call("GET", "/status", None).map(drop));
        let data = format!("--user-data-dir={}", browser.profile.display());
        let arguments = json!([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            data
        ]);
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let session = browser.call("POST", "/session", Some(json!({ "capabilities": { "alwaysMatch": wanted } })));
        let session = session.expect("a session begins");
        session["sessionId"].as_str().expect("it has an id").clone_into(&mut browser.session);
        browser.cdp("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": WATCH }));
        browser.size(1280, 1000);
        browser
    }

    /// Sends a request to the driver.
    fn call(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let exchange = || -> std::io::Result<(String, Vec<u8>)> {
            let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.port))?);
            stream.get_ref().set_read_timeout(Some(TIME_LIMIT))?;
            stream.get_mut().write_all(head.as_bytes())?;
            stream.get_mut().write_all(body.as_bytes())?;
            let (mut status, mut length) = (String::new(), 0);
            stream.read_line(&mut status)?;
            // The driver ignores `Connection: close`.
            for line in stream.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body)?;
            Ok((status, body))
        };
        let (status, body) = exchange().map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        if status.starts_with("HTTP/1.1 200") { Ok(answer["value"].take()) } else { Err(answer["value"].to_string()) }
    }

    #[track_caller]
    fn request(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let path = format!("/session/{}{path}", self.session);
        self.call(method, &path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// A command of the DevTools protocol.
    #[track_caller]
    pub fn cdp(&self, command: &str, parameters: &Value) -> Value {
        self.request("POST", "/goog/cdp/execute", Some(json!({ "cmd": command, "params": parameters })))
    }

    /// Opens a page and waits until it is loaded.
    #[track_caller]
    pub fn go(&self, url: &str) {
        self.leave_page(|browser| drop(browser.request("POST", "/url", Some(json!({ "url": url })))));
    }

    /// The title of the page.
    pub fn title(&self) -> String {
        self.request("GET", "/title", None).as_str().unwrap_or_default().to_owned()
    }

    /// The URL of the page.
    pub fn url(&self) -> String {
        self.request("GET", "/url", None).as_str().unwrap_or_default().to_owned()
    }

    /// Runs a script in the page and returns its result.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.request("POST", "/execute/sync", Some(json!({ "script": script, "args": [] })))
    }

    /// Runs a script and returns the value that it passes to its last argument, a callback.
    #[track_caller]
    pub fn run_async(&self, script: &str) -> Value {
        self.request("POST", "/execute/async", Some(json!({ "script": script, "args": [] })))
    }

    /// Clicks on the first element that a CSS selector matches, with real mouse events.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.request("POST", &format!("/element/{element}/click"), Some(json!({})));
    }

    /// Performs an action that opens another page, and waits until that page is loaded. The driver may return before the
    /// navigation has started.
    #[track_caller]
    pub fn leave_page(&self, action: impl FnOnce(&Self)) {
        let root = self.element("html");
        action(self);
        let session = |path: &str| format!("/session/{}{path}", self.session);
        eventually(|| match self.call("GET", &session(&format!("/element/{root}/name")), None) {
            Ok(_) => Err("the page has not changed".to_owned()),
            Err(_) => Ok(()),
        });
        let state = json!({ "script": "return document.readyState;", "args": [] });
        eventually(|| match self.call("POST", &session("/execute/sync"), Some(state.clone())) {
            Ok(state) if state == "complete" => Ok(()),
            other => Err(format!("the page is not loaded: {other:?}")),
        });
    }

    /// Types into the first element that a CSS selector matches.
    #[track_caller]
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.request("POST", &format!("/element/{element}/value"), Some(json!({ "text": text })));
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let found = self.request("POST", "/element", Some(json!({ "using": "css selector", "value": selector })));
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        id.expect("an element has an id").to_owned()
    }

    /// Sets the size of the window, in CSS pixels.
    pub fn size(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Sets the preferred color scheme, `light` or `dark`.
    pub fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.cdp("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Disables JavaScript for all later pages.
    pub fn disable_scripts(&self) {
        self.cdp("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    }

    /// Writes a screenshot to `target/tmp/pictures/NAME.png`.
    pub fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        // Unlike a DevTools command, this request waits for the end of a navigation.
        let shot = self.request("GET", "/screenshot", None);
        let png = STANDARD.decode(shot.as_str().expect("a picture has data")).expect("it is base64");
        std::fs::write(folder.join(format!("{name}.png")), png).expect("the picture can be written");
    }

    /// The warnings and errors in the console since the last call.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.request("POST", "/se/log", Some(json!({ "type": "browser" })));
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect()
    }

    /// The URLs of all network requests since the last call, without those of the browser's own pages.
    pub fn requests(&self) -> Vec<String> {
        let log = self.request("POST", "/se/log", Some(json!({ "type": "performance" })));
        let entries = log.as_array().cloned().unwrap_or_default();
        let url = |entry: &Value| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let is_request = message.pointer("/message/method")? == "Network.requestWillBeSent";
            let url = message.pointer("/message/params/request/url")?.as_str()?.to_owned();
            (is_request && url.starts_with("http")).then_some(url)
        };
        entries.iter().filter_map(url).collect()
    }

    /// The violations of the content security policy of this page.
    pub fn violations(&self) -> Value {
        self.run("return window.violations;")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Both fail only if it has exited already.
        let _ = self.call("DELETE", &format!("/session/{}", self.session), None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
