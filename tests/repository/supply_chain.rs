//! Dependencies and repository content: licenses, sources, the bill of materials, consistent versions, no secrets.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn metadata(more: &[&str]) -> Vec<u8> {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--format-version", "1", "--locked", "--offline"]).args(more);
    let output = metadata.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn packages() -> Vec<Value> {
    let metadata: Value = serde_json::from_slice(&metadata(&[])).expect("it is JSON");
    metadata["packages"].as_array().expect("it has packages").clone()
}

/// The quoted strings of one section of deny.toml.
fn listed(section: &str) -> Vec<String> {
    let deny = read("deny.toml");
    let section = deny.split(&format!("[{section}]\n")).nth(1).expect("deny.toml has the section");
    let section = section.split("\n[").next().expect("a section has a text");
    let lines = section.lines().filter(|line| line.starts_with(' '));
    lines.filter_map(|line| line.split('"').nth(1).map(str::to_owned)).collect()
}

/// Whether a license expression is allowed: each part of an AND, and one part of an OR.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ");
    if let Some(inner) = expression.strip_prefix('(')
        && let Some((inner, rest)) = inner.split_once(") AND ")
    {
        return is_allowed(inner, allowed) && is_allowed(rest, allowed);
    }
    if let Some((first, inner)) = expression.split_once(" AND (") {
        return is_allowed(first, allowed) && is_allowed(inner.trim_end_matches(')'), allowed);
    }
    let is_listed = |name: &str| allowed.iter().any(|known| known == name.trim());
    expression.split(" OR ").any(|all| all.split(" AND ").all(is_listed))
}

#[test]
fn every_dependency_has_an_allowed_license_and_source() {
    let (allowed, banned) = (listed("licenses"), listed("bans"));
    assert!(allowed.len() > 5 && banned.len() > 2);
    assert!(is_allowed("(MIT OR GPL-3.0) AND ISC", &allowed) && !is_allowed("MIT AND GPL-3.0", &allowed));
    let packages = packages();
    assert!(packages.len() > 100);
    for package in packages {
        let name = package["name"].as_str().expect("a package has a name");
        let license = package["license"].as_str().unwrap_or_else(|| panic!("{name} has no license"));
        assert!(is_allowed(license, &allowed), "{name}: {license} is not in deny.toml");
        assert!(!banned.iter().any(|banned| banned == name), "{name} is banned by deny.toml");
        let is_ours = name.starts_with("image-pull-");
        let source = package["source"].as_str().unwrap_or_default();
        assert!(is_ours || source.starts_with("registry+"), "{name} comes from {source:?}");
    }
}

/// The test writes it to target/ and validates it against the schema of CycloneDX.
#[test]
fn the_bill_of_materials_lists_every_dependency_with_its_license() {
    let mut script = Command::new("target/tools/bin/python")
        .args(["tests/supply/sbom.py", "target/sbom.cdx.json"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("`tests/run` installs the tools");
    let metadata = metadata(&["--filter-platform", "x86_64-unknown-linux-musl"]);
    script.stdin.take().expect("it is piped").write_all(&metadata).expect("the script reads");
    assert!(script.wait().expect("it ends").success());
    let bill: Value = serde_json::from_str(&read("target/sbom.cdx.json")).expect("it is JSON");
    let components = bill["components"].as_array().expect("it has components");
    let has = |name: &str| components.iter().any(|component| component["name"] == name);
    assert!(components.len() > 100 && has("kube-client") && has("axum") && has("prometheus-client"));
    assert!(!has("proptest") && !has("prost-build"), "tests and the build are not in the program");
    for component in components {
        assert!(component["licenses"][0].is_object(), "{component}");
        let purl = component["purl"].as_str().unwrap_or_default();
        // The crates of the workspace are in no registry.
        let is_ours = component["name"].as_str().is_some_and(|name| name.starts_with("image-pull-"));
        assert!(is_ours || purl.starts_with("pkg:cargo/"), "{component}");
    }
}

#[test]
fn the_version_is_the_same_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    for (file, text) in [
        ("Dockerfile", format!("ARG VERSION={version}\n")),
        ("deploy/chart/Chart.yaml", format!("\nappVersion: {version}\n")),
        ("deploy/kustomize/base/kustomization.yaml", format!("newTag: {version}\n")),
    ] {
        assert!(read(file).contains(&text), "{file} has no {text:?}");
    }
}

#[test]
fn nothing_in_the_repository_looks_like_a_secret() {
    let files = Command::new("git").args(["ls-files", "-z"]).output().expect("git runs");
    let files = String::from_utf8(files.stdout).expect("paths are text");
    // Split in two, so that this file does not match.
    let marks = [
        concat!("-----BEGIN ", "PRIVATE KEY"),
        concat!("-----BEGIN RSA ", "PRIVATE KEY"),
        concat!("-----BEGIN EC ", "PRIVATE KEY"),
        concat!("-----BEGIN OPENSSH ", "PRIVATE KEY"),
        concat!("gh", "p_"),
        concat!("github", "_pat_"),
        concat!("gl", "pat-"),
        concat!("xox", "b-"),
        concat!("client-", "key-data:"),
    ];
    let mut read = 0;
    for file in files.split('\0').filter(|file| !file.is_empty()) {
        // A deleted file may be uncommitted.
        let Ok(bytes) = std::fs::read(file) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        // The redaction contains the patterns of secrets.
        for mark in marks.iter().filter(|_| !file.starts_with("crates/model/src/redact")) {
            assert!(!text.contains(mark), "{file} holds {mark}…");
        }
        read += 1;
    }
    assert!(read > 100);
}

#[test]
fn hadolint_accepts_the_dockerfile() {
    let hadolint = format!("{}/target/tools/bin/hadolint", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(hadolint).arg("Dockerfile").output().expect("`tests/run` installs hadolint");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let dockerfile = read("Dockerfile");
    assert!(dockerfile.contains("\nFROM scratch\n") && dockerfile.contains("\nUSER 65534:65534\n"));
    assert!(dockerfile.contains("cargo build --locked --release"));
}

/// The build reads the templates' configuration, the runbooks and every crate of the workspace.
#[test]
fn the_image_build_has_every_file_that_it_needs() {
    let dockerignore = read(".dockerignore");
    let included: Vec<&str> = dockerignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let members = packages().into_iter().filter(|package| package["source"].is_null());
    let manifests = members.map(|package| package["manifest_path"].as_str().expect("a path").to_owned());
    let manifests = manifests.map(|path| path.replace(concat!(env!("CARGO_MANIFEST_DIR"), "/"), ""));
    let others = ["Cargo.lock", "askama.toml", "build.rs", "docs/runbooks/README.md", "src/main.rs"];
    for file in manifests.chain(others.map(str::to_owned)) {
        let is_included = included.iter().any(|path| Path::new(&file).starts_with(path));
        assert!(is_included, ".dockerignore excludes {file}");
    }
}
