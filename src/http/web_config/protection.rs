//! Compares how well two configurations protect the server, so that no reload takes protection away.

/// What keeps strangers out. Each part may become stronger in a reload, never weaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Protection {
    /// Whether connections are encrypted.
    pub(in crate::http) tls: bool,
    /// Whether a name and a password are needed.
    pub(in crate::http) users: bool,
    pub(in crate::http) clients: ClientRequirement,
    /// Whether the names in client certificates are checked.
    pub(in crate::http) client_sans: bool,
}

/// Which clients complete a TLS handshake, the more the weaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::http) enum ClientRequirement {
    /// Every client. A certificate that nobody has to send protects nothing.
    #[default]
    Any,
    /// Those with a certificate, whoever signed it.
    WithCertificate,
    /// Those with a certificate that one of the system's root certificates vouches for.
    SignedBySystemRoots,
    /// Those with a certificate of the configured CA.
    SignedByConfiguredCa,
}

impl Protection {
    /// Returns what another configuration would take away.
    pub(super) fn lost_in(self, other: Self) -> Option<&'static str> {
        [
            (self.tls && !other.tls, "TLS"),
            (self.users && !other.users, "basic authentication"),
            (
                self.clients > ClientRequirement::Any && other.clients == ClientRequirement::Any,
                "the demand for client certificates",
            ),
            (
                self.clients > other.clients && other.clients == ClientRequirement::WithCertificate,
                "the check of client certificates",
            ),
            (self.clients > other.clients, "the client CA"),
            (self.client_sans && !other.client_sans, "client_allowed_sans"),
        ]
        .into_iter()
        .find_map(|(is_lost, name)| is_lost.then_some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::ClientRequirement::{Any, SignedByConfiguredCa, SignedBySystemRoots, WithCertificate};
    use super::Protection;

    #[test]
    fn every_step_down_is_a_loss_and_no_step_up() {
        let all: Vec<Protection> = [Any, WithCertificate, SignedBySystemRoots, SignedByConfiguredCa]
            .into_iter()
            .flat_map(|clients| (0..8).map(move |bits| (clients, bits)))
            .map(|(clients, bits)| Protection {
                tls: bits & 1 > 0,
                users: bits & 2 > 0,
                clients,
                client_sans: bits & 4 > 0,
            })
            .collect();
        for (before, after) in all.iter().flat_map(|before| all.iter().map(move |after| (*before, *after))) {
            let is_weaker = (before.tls && !after.tls)
                || (before.users && !after.users)
                || before.clients > after.clients
                || (before.client_sans && !after.client_sans);
            assert_eq!(before.lost_in(after).is_some(), is_weaker, "{before:?} {after:?}");
        }
        let verifying = Protection { tls: true, clients: SignedByConfiguredCa, ..Protection::default() };
        let lost = |clients| verifying.lost_in(Protection { clients, ..verifying });
        assert_eq!(lost(Any), Some("the demand for client certificates"));
        assert_eq!(lost(WithCertificate), Some("the check of client certificates"));
        assert_eq!(lost(SignedBySystemRoots), Some("the client CA"));
    }
}
