//! Client addresses, for limits per client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::Extensions;

/// The part of an address that identifies a client: an IPv4 address, or the first 64 bits of an IPv6 address. A single host
/// can use all addresses of an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ClientAddress {
    V4(Ipv4Addr),
    V6(u64),
    /// A client of a Unix socket, which has no address.
    Unknown,
}

impl ClientAddress {
    /// Returns the client address of a request.
    pub(super) fn of(extensions: &Extensions) -> Self {
        extensions.get::<ConnectInfo<SocketAddr>>().map_or(Self::Unknown, |ConnectInfo(address)| address.ip().into())
    }
}

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(prefix(address)),
        }
    }
}

/// Returns the first 64 bits of an address.
fn prefix(address: Ipv6Addr) -> u64 {
    let [a, b, c, d, ..] = address.segments();
    [a, b, c, d].into_iter().fold(0, |bits, segment| bits << 16 | u64::from(segment))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::ClientAddress;

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_prefix_of_64_bits() {
        let client = |text: &str| ClientAddress::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(client("10.0.0.1"), client("::ffff:10.0.0.1"));
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
        assert_eq!(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_ne!(client("::1"), ClientAddress::Unknown);
    }
}
