use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::{InvalidListenAddress, ListenAddress, Listener, Listeners, bind_any, bind_tcp};

fn bind(addresses: &[&str]) -> Result<Listeners, String> {
    let addresses: Vec<ListenAddress> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Listeners::bind(&addresses)
}

fn port(listeners: &Listeners, index: usize) -> u16 {
    listeners.addresses()[index].rsplit(':').next().unwrap().parse().unwrap()
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("image-pull-exporter-{}-{name}", std::process::id()))
}

#[test]
fn addresses_are_read_as_they_are_shown() {
    for text in [":10137", "127.0.0.1:0", "[::]:80", "[::1]:65535", "unix:///run/exporter.sock"] {
        assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
    }
    assert_eq!("localhost:1".parse(), Ok(ListenAddress::Tcp((Ipv4Addr::LOCALHOST, 1).into())));
    assert_eq!("unix:/run/x".parse(), Ok(ListenAddress::Unix("/run/x".into())));
    for (text, error) in [
        ("nowhere", InvalidListenAddress::Format),
        (":70000", InvalidListenAddress::Port("70000".to_owned())),
        ("example.com:80", InvalidListenAddress::Host("example.com".to_owned())),
        ("::1:80", InvalidListenAddress::Host("::1".to_owned())),
        ("unix://run/x", InvalidListenAddress::Path),
        ("unix:///", InvalidListenAddress::Path),
    ] {
        assert_eq!(text.parse::<ListenAddress>(), Err(error), "{text}");
    }
}

#[tokio::test]
async fn a_port_without_a_host_accepts_ipv4_and_ipv6() {
    let mut listeners = bind(&[":0"]).unwrap();
    let port = port(&listeners, 0);
    for address in [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), (Ipv6Addr::LOCALHOST, port).into()] {
        let client = TcpStream::connect(address).unwrap();
        let peer = listeners.accept().await.unwrap().peer;
        // IPv4 clients have IPv4 addresses.
        assert_eq!(peer, Some(client.local_addr().unwrap()));
    }
}

#[tokio::test]
async fn a_system_without_ipv6_is_served_over_ipv4() {
    let asked = RefCell::new(Vec::new());
    // EAFNOSUPPORT, and the error of a kernel with IPv6 but without an address.
    for error in [io::Error::from_raw_os_error(97), ErrorKind::AddrNotAvailable.into()] {
        let error = RefCell::new(Some(error));
        let bound = bind_any(0, |address| {
            asked.borrow_mut().push(address.ip().is_ipv6());
            error.take().map_or_else(|| bind_tcp(address), Err)
        });
        assert!(matches!(bound, Ok(Listener::Tcp(_))));
    }
    assert_eq!(asked.take(), [true, false, true, false]);
    // An address in use causes no fallback.
    let taken = bind_any(0, |address| {
        asked.borrow_mut().push(address.ip().is_ipv6());
        Err(ErrorKind::AddrInUse.into())
    });
    assert!(taken.is_err());
    assert_eq!(asked.take(), [true]);
}

#[tokio::test]
async fn several_addresses_are_served_without_starvation() {
    let socket = path("several.sock");
    let unix = format!("unix://{}", socket.display());
    let mut listeners = bind(&["127.0.0.1:0", &unix]).unwrap();
    assert_eq!(listeners.addresses()[1], unix);
    let port = port(&listeners, 0);
    let flood: Vec<TcpStream> = (0..10).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let _client = UnixStream::connect(&socket).unwrap();
    let peers = [listeners.accept().await.unwrap().peer, listeners.accept().await.unwrap().peer];
    assert_eq!(peers.iter().filter(|peer| peer.is_none()).count(), 1);
    drop(flood);
}

#[tokio::test]
async fn a_unix_socket_is_for_its_owner_and_group_and_leaves_no_file() {
    let socket = path("mode.sock");
    let address = format!("unix://{}", socket.display());
    let listeners = bind(&[&address]).unwrap();
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o660);
    let error = bind(&[&address]).err().unwrap();
    assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
    // The second one has not replaced the first.
    UnixStream::connect(&socket).unwrap();
    drop(listeners);
    assert!(!socket.exists());
}

#[tokio::test]
async fn an_orphaned_socket_is_replaced_and_other_files_are_not() {
    let socket = path("stale.sock");
    let address = format!("unix://{}", socket.display());
    // Closed but not removed, as after a crash.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    drop(bind(&[&address]).unwrap());
    std::fs::write(&socket, "precious").unwrap();
    assert!(bind(&[&address]).is_err());
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "precious");
    std::fs::remove_file(&socket).unwrap();
}
