//! Access keys and roles ⇄ their messages.

use super::DecodeError;
use super::values::{hash_from_wire, known, parsed, timestamp_from_wire, timestamp_to_wire};
use crate::governance::v1 as wire;
use weir_domain::access::{AccessKey, Role};

/// An access key (its hash, never the key) for the wire.
pub fn access_key_to_wire(key: &AccessKey) -> wire::AccessKey {
    let (role, team) = role_to_wire(&key.role);
    wire::AccessKey {
        id: key.id.to_string(),
        sha256: key.hash.as_bytes().to_vec(),
        role: role.into(),
        team,
        expires: key.expires.map(timestamp_to_wire),
    }
}

/// An access key from the wire.
pub fn access_key_from_wire(wire: &wire::AccessKey) -> Result<AccessKey, DecodeError> {
    Ok(AccessKey {
        id: parsed(&wire.id, "key.id")?,
        hash: hash_from_wire(&wire.sha256, "key.sha256")?,
        role: role_from_wire(wire.role, &wire.team)?,
        expires: wire.expires.as_ref().map(|at| timestamp_from_wire(Some(at), "key.expires")).transpose()?,
    })
}

/// A role for the wire, and the team of a lead; empty for the others.
pub fn role_to_wire(role: &Role) -> (wire::Role, String) {
    match role {
        Role::Admin => (wire::Role::Admin, String::new()),
        Role::Approver => (wire::Role::Approver, String::new()),
        Role::Lead(team) => (wire::Role::Lead, team.to_string()),
        Role::Node => (wire::Role::Node, String::new()),
        Role::Viewer => (wire::Role::Viewer, String::new()),
    }
}

/// A role from its number and the team of a lead.
pub fn role_from_wire(number: i32, team: &str) -> Result<Role, DecodeError> {
    const ROLE: &str = "key.role";
    let role = match known(number, ROLE)? {
        wire::Role::Unspecified => {
            return Err(DecodeError::field(ROLE, "missing; use ADMIN, APPROVER, LEAD, NODE or VIEWER"));
        }
        wire::Role::Lead => return Ok(Role::Lead(parsed(team, "key.team")?)),
        wire::Role::Admin => Role::Admin,
        wire::Role::Approver => Role::Approver,
        wire::Role::Node => Role::Node,
        wire::Role::Viewer => Role::Viewer,
    };
    if team.is_empty() {
        Ok(role)
    } else {
        Err(DecodeError::field("key.team", "only a lead has a team; leave it out, or make the role LEAD"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_domain::directory::KeyHash;
    use weir_domain::time::Timestamp;

    fn key(role: Role) -> AccessKey {
        let expires = Some(Timestamp::from_secs(60));
        AccessKey { id: "grace".parse().unwrap(), hash: KeyHash::new([7; 32]), role, expires }
    }

    #[test]
    fn every_role_survives_the_wire() {
        let lead = Role::Lead("web".parse().unwrap());
        for role in [Role::Admin, Role::Approver, lead, Role::Node, Role::Viewer] {
            let key = key(role);
            assert_eq!(access_key_from_wire(&access_key_to_wire(&key)), Ok(key));
        }
    }

    #[test]
    fn a_role_is_stated_and_only_a_lead_has_a_team() {
        for (role, team, field) in [
            (wire::Role::Unspecified.into(), "", "key.role"),
            (9, "", "key.role"),
            (wire::Role::Lead.into(), "", "key.team"),
            (wire::Role::Admin.into(), "web", "key.team"),
        ] {
            let problem = role_from_wire(role, team).unwrap_err();
            assert!(
                matches!(problem, DecodeError::Field { field: found, .. } if found == field),
                "{problem}"
            );
        }
    }
}
