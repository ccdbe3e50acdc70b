//! The protections of a configuration. A reload may strengthen but not weaken them.

/// The protections of a configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Protection {
    pub(super) tls: bool,
    pub(super) basic_auth: bool,
    pub(super) client: ClientRequirement,
    /// Whether the names in client certificates are checked.
    pub(super) client_sans: bool,
}

/// The requirement for a TLS handshake, weakest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ClientRequirement {
    /// No certificate is required.
    #[default]
    None,
    /// A certificate of any issuer.
    AnyCertificate,
    /// A certificate signed by a system root.
    SignedBySystemRoots,
    /// A certificate signed by the configured CA.
    SignedByConfiguredCa,
}

impl Protection {
    /// Returns a protection that another configuration would disable.
    pub(super) fn lost_in(self, other: Self) -> Option<&'static str> {
        [
            (self.tls && !other.tls, "TLS"),
            (self.basic_auth && !other.basic_auth, "basic authentication"),
            (
                self.client > ClientRequirement::None && other.client == ClientRequirement::None,
                "required client certificates",
            ),
            (
                self.client > other.client && other.client == ClientRequirement::AnyCertificate,
                "client certificate verification",
            ),
            (self.client > other.client, "the configured client CA"),
            (self.client_sans && !other.client_sans, "client_allowed_sans"),
        ]
        .into_iter()
        .find_map(|(is_lost, name)| is_lost.then_some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::ClientRequirement::{AnyCertificate, None, SignedByConfiguredCa, SignedBySystemRoots};
    use super::Protection;

    #[test]
    fn only_weaker_configurations_lose_a_protection() {
        let all: Vec<Protection> = [None, AnyCertificate, SignedBySystemRoots, SignedByConfiguredCa]
            .into_iter()
            .flat_map(|client| (0..8).map(move |bits| (client, bits)))
            .map(|(client, bits)| Protection {
                tls: bits & 1 > 0,
                basic_auth: bits & 2 > 0,
                client,
                client_sans: bits & 4 > 0,
            })
            .collect();
        for (before, after) in all.iter().flat_map(|before| all.iter().map(move |after| (*before, *after))) {
            let is_weaker = (before.tls && !after.tls)
                || (before.basic_auth && !after.basic_auth)
                || before.client > after.client
                || (before.client_sans && !after.client_sans);
            assert_eq!(before.lost_in(after).is_some(), is_weaker, "{before:?} {after:?}");
        }
        let verifying = Protection { tls: true, client: SignedByConfiguredCa, ..Protection::default() };
        let lost = |client| verifying.lost_in(Protection { client, ..verifying });
        assert_eq!(lost(None), Some("required client certificates"));
        assert_eq!(lost(AnyCertificate), Some("client certificate verification"));
        assert_eq!(lost(SignedBySystemRoots), Some("the configured client CA"));
    }
}
