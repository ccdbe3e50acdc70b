use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Request, Version};
use bytes::Bytes;
use h2::client::{Connection as Driver, SendRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{FakeBackend, FakeScrape, LONG};
use crate::http::connection::Connection;
use crate::http::server::ConnectionServer;
use crate::http::{HttpConfig, RejectionCounters, ServerLimits, router};

/// An HTTP/2 server without TLS.
struct Served {
    tasks: JoinSet<()>,
    stop: watch::Sender<()>,
    refusals: Arc<RejectionCounters>,
}

fn serve(scrape: FakeScrape, limits: ServerLimits) -> (Served, DuplexStream) {
    let (refusals, (stop, stopping)) = (Arc::<RejectionCounters>::default(), watch::channel(()));
    let config = HttpConfig { limits, rejections: Arc::clone(&refusals), ..HttpConfig::default() };
    let router: Router = router(Arc::new(FakeBackend(scrape)), &config);
    let peer = (Ipv4Addr::LOCALHOST, 1).into();
    let connection = Arc::new(Connection::new(Some(peer), Arc::new(Notify::new())));
    let (client, stream) = duplex(64 * 1024);
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::new(ConnectionServer { router, config, connection }).http2(Box::new(stream), stopping));
    (Served { tasks, stop, refusals }, client)
}

impl Served {
    async fn connect(&mut self, stream: DuplexStream) -> SendRequest<Bytes> {
        let (requests, driver): (_, Driver<DuplexStream, Bytes>) = h2::client::handshake(stream).await.unwrap();
        self.tasks.spawn(async move { drop(driver.await) });
        requests.ready().await.unwrap()
    }

    /// Waits until both sides of the connection have ended.
    async fn ended(mut self) {
        let ended = timeout(LONG, async { while self.tasks.join_next().await.is_some() {} });
        assert!(ended.await.is_ok(), "the connection goes on");
    }

    fn slow_readers(&self) -> u64 {
        self.refusals.counts().iter().find(|(reason, _)| *reason == "slow_reader").unwrap().1
    }
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("https://localhost{path}")).version(Version::HTTP_2).body(()).unwrap()
}

#[tokio::test]
async fn requests_are_served_concurrently_until_shutdown() {
    let (mut served, stream) = serve(FakeScrape::Repeat(20_000), ServerLimits::default());
    let mut requests = served.connect(stream).await;
    let answers: Vec<_> =
        ["/metrics", "/livez"].map(|path| requests.send_request(get(path), true).unwrap().0).into_iter().collect();
    for (answer, expected) in answers.into_iter().zip([80_000, 3]) {
        let answer = answer.await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
        let mut body = answer.into_body();
        let mut length = 0;
        while let Some(chunk) = body.data().await {
            let chunk = chunk.unwrap();
            length += chunk.len();
            body.flow_control().release_capacity(chunk.len()).unwrap();
        }
        assert_eq!(length, expected);
    }
    served.stop.send_replace(());
    served.ended().await;
}

#[tokio::test]
async fn a_client_that_withholds_its_window_is_disconnected() {
    let limits = ServerLimits { stall_timeout: Duration::from_millis(50), ..ServerLimits::default() };
    let (mut served, stream) = serve(FakeScrape::Repeat(1 << 20), limits);
    let mut requests = served.connect(stream).await;
    let (answer, _) = requests.send_request(get("/metrics"), true).unwrap();
    // It reads what its window allows, and never opens the window again.
    let mut body = answer.await.unwrap().into_body();
    let cut_off = async {
        while let Some(chunk) = body.data().await {
            if chunk.is_err() {
                return true;
            }
        }
        false
    };
    assert_eq!(timeout(LONG, cut_off).await, Ok(true));
    assert_eq!(served.slow_readers(), 1);
    drop(requests);
    served.ended().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_times_out() {
    let limits = ServerLimits::default();
    let (mut served, stream) = serve(FakeScrape::Repeat(1), limits);
    let mut requests = served.connect(stream).await;
    let begin = tokio::time::Instant::now();
    let (answer, _) = requests.send_request(get("/livez"), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    timeout(2 * limits.idle_timeout, async { while served.tasks.join_next().await.is_some() {} }).await.unwrap();
    assert!(begin.elapsed() >= limits.idle_timeout && begin.elapsed() < limits.idle_timeout + limits.header_timeout);
}

#[tokio::test]
async fn the_settings_bound_streams_and_headers() {
    let (mut served, stream) = serve(FakeScrape::Repeat(1), ServerLimits::default());
    let mut requests = served.connect(stream).await;
    let (answer, _) = requests.send_request(get("/livez"), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    assert_eq!(requests.current_max_send_streams(), 32);
    let mut large = get("/livez");
    large.headers_mut().insert("x-large", "a".repeat(20_000).parse().unwrap());
    let (answer, _) = requests.send_request(large, true).unwrap();
    assert!(answer.await.map_or(true, |answer| answer.status() == 431));
}

/// Returns a frame in the format of RFC 9113.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn a_flood_of_requests_that_are_reset_ends_the_connection() {
    let (mut served, mut stream) = serve(FakeScrape::Repeat(1), ServerLimits::default());
    let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    flood.extend(frame(4, 0, 0, b""));
    for number in 0..1000 {
        // GET / with scheme https and authority "x", by the static table; then RST_STREAM with CANCEL.
        let stream = 2 * number + 1;
        flood.extend(frame(1, 0b101, stream, &[0x82, 0x84, 0x87, 0x41, 0x01, b'x']));
        flood.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
    }
    // The server may close it before it has read everything.
    let _ = stream.write_all(&flood).await;
    let mut said = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut said)).await.expect("it is closed");
    // GOAWAY with ENHANCE_YOUR_CALM.
    let calm = said.windows(8).any(|end| end[4..] == 11_u32.to_be_bytes() && end[..4] < [0, 0, 8, 0][..]);
    assert!(calm, "{said:?}");
    assert!(timeout(LONG, served.tasks.join_next()).await.is_ok());
}
