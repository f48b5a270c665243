//! Under which name a gateway holds what it draws, so that no gateway can give back or seal what another one holds.
//!
//! Who has an access key or a certificate of their own holds under its name alone. Where several share what they are known
//! by, they say which of them they are, under a prefix that nobody with a name of their own can have.

use weir_domain::ids::NodeId;

use super::Caller;
use super::caller::KnownBy;

/// What the names of those begin with who share a token.
const SHARED: &str = "shared.";

/// Somebody may not hold under a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NodeRefused {
    #[error("is {given}, and the key or certificate is that of {own}; say {own}, or make one for {given}")]
    Another { given: NodeId, own: String },
    #[error(
        "is {given}; names that begin with {SHARED:?} are kept for nodes that share a token, choose another"
    )]
    Kept { given: NodeId },
    #[error("has {} characters, and {} at most are kept for a node that shares its token", .given.as_str().len(), longest())]
    TooLong { given: NodeId },
}

const fn longest() -> usize {
    weir_domain::ids::NAME_CHARS_MAX - SHARED.len()
}

impl Caller {
    /// The name under which they hold what they draw, if they may have it.
    pub(crate) fn holds_as(&self, given: NodeId) -> Result<NodeId, NodeRefused> {
        match self.known_by() {
            KnownBy::AccessKey(_) | KnownBy::Certificate => self.holds_as_oneself(given),
            KnownBy::NodeToken | KnownBy::AdminToken | KnownBy::ThisMachine | KnownBy::Token { .. } => {
                NodeId::try_new(&format!("{SHARED}{given}")).map_err(|_| NodeRefused::TooLong { given })
            }
        }
    }

    fn holds_as_oneself(&self, given: NodeId) -> Result<NodeId, NodeRefused> {
        let own = &self.principal().name;
        if given.as_str() != own {
            return Err(NodeRefused::Another { given, own: own.clone() });
        }
        if own.starts_with(SHARED) { Err(NodeRefused::Kept { given }) } else { Ok(given) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_domain::access::{Principal, Role};
    use weir_domain::directory::KeyHash;

    use super::*;

    fn caller(name: &str, known_by: KnownBy) -> Caller {
        Caller::new(Arc::new(Principal { name: name.into(), role: Role::Node }), known_by)
    }

    fn name(name: &str) -> NodeId {
        NodeId::try_new(name).unwrap()
    }

    #[test]
    fn a_gateway_with_a_key_or_certificate_of_its_own_is_no_other_gateway() {
        for known in [KnownBy::AccessKey(KeyHash::new([1; 32])), KnownBy::Certificate] {
            let gateway = caller("gw-1", known);
            assert_eq!(gateway.holds_as(name("gw-1")), Ok(name("gw-1")));
            let refused = gateway.holds_as(name("gw-2")).unwrap_err();
            assert_eq!(
                refused.to_string(),
                "is gw-2, and the key or certificate is that of gw-1; say gw-1, or make one for gw-2"
            );
        }
    }

    #[test]
    fn gateways_that_share_a_token_are_told_apart_by_their_names_and_are_no_others() {
        let shared = caller("node", KnownBy::NodeToken);
        assert_eq!(shared.holds_as(name("gw-1")), Ok(name("shared.gw-1")));
        let alike = caller("shared.gw-1", KnownBy::Certificate);
        assert!(matches!(alike.holds_as(name("shared.gw-1")), Err(NodeRefused::Kept { .. })));
        let long = "a".repeat(57);
        let refused = shared.holds_as(name(&long)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "has 57 characters, and 56 at most are kept for a node that shares its token"
        );
    }
}
