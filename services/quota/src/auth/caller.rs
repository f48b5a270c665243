//! Somebody known who calls: what they may do, what they see, and in whose name they decide.

use std::sync::Arc;

use weir_domain::access::{Action, Denied, Principal, Role};
use weir_domain::authorship::in_the_name_of;
use weir_domain::directory::KeyHash;
use weir_domain::ids::{ServiceId, TeamId};
use weir_domain::org::Org;
use weir_domain::time::Timestamp;

use super::rules::Rule;

/// Teams that stand for none: at least one of them is not the caller's own.
const NOBODY: [&str; 2] = ["nobody", "no-one"];

/// Whose a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner<'a> {
    /// This team's.
    Team(&'a TeamId),
    /// That of a service that there is no longer, so of no team.
    Nobody,
    /// There is no such thing.
    Absent,
}

impl<'a> From<Option<&'a TeamId>> for Owner<'a> {
    fn from(team: Option<&'a TeamId>) -> Self {
        team.map_or(Self::Absent, Self::Team)
    }
}

impl<'a> Owner<'a> {
    /// Whose a service is.
    pub(crate) fn of_service(org: &'a Org, service: &ServiceId) -> Self {
        org.service(service).map_or(Self::Absent, |service| Self::Team(&service.team))
    }

    /// Whose a thing of a service is, if there is such a thing.
    pub(crate) fn of_thing(org: &'a Org, service: Option<&ServiceId>) -> Self {
        match service.map(|service| Self::of_service(org, service)) {
            None => Self::Absent,
            Some(Self::Absent) => Self::Nobody,
            Some(owner) => owner,
        }
    }
}

/// By what somebody is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KnownBy {
    AdminToken,
    /// There is no token, and they are on this machine.
    ThisMachine,
    NodeToken,
    Certificate,
    AccessKey(KeyHash),
    /// A signed token, good until then.
    Token {
        until: Timestamp,
    },
}

/// Somebody known who calls, and what is asked of whoever calls that method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    principal: Arc<Principal>,
    known_by: KnownBy,
    rule: Rule,
}

/// A decision may not be taken in this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} ({role}) may not decide in the name of {author}; leave the author out; this is for: admin")]
pub(crate) struct AuthorRefused {
    name: String,
    role: Role,
    author: String,
}

impl Caller {
    pub(super) fn new(principal: Arc<Principal>, known_by: KnownBy) -> Self {
        Self { principal, known_by, rule: Rule::Known }
    }

    /// They call a method of this rule. An error if their role may not, whatever the call is about.
    pub(crate) fn calls(self, rule: Rule) -> Result<Self, Denied> {
        match rule {
            Rule::May(action) => self.principal.may(action)?,
            Rule::SeesSomething if self.principal.role.team().is_none() => {
                self.principal.may(Action::ReadAll)?;
            }
            Rule::Open | Rule::Known | Rule::SeesSomething | Rule::MayTo(_) => {}
        }
        Ok(Self { rule, ..self })
    }

    /// Who they are.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(super) fn known_by(&self) -> &KnownBy {
        &self.known_by
    }

    /// Whether they may do what they call to a thing of somebody.
    pub(crate) fn may_touch<'a>(&self, owner: impl Into<Owner<'a>>) -> Result<(), Denied> {
        let Rule::MayTo(touch) = self.rule else { return Ok(()) };
        match touch.of_all() {
            Some(action) if self.principal.may(action).is_ok() => Ok(()),
            _ => self.may_to(owner.into(), |team| touch.of(team)),
        }
    }

    /// Whether they see a thing of somebody.
    pub(crate) fn may_see<'a>(&self, owner: impl Into<Owner<'a>>) -> Result<(), Denied> {
        self.may_to(owner.into(), |team| Action::ReadTeam(team))
    }

    /// That there is no such thing is learned by those who could do it to any or to their own; the others are told what
    /// they would be told anyway.
    fn may_to(&self, owner: Owner<'_>, action: impl Fn(&TeamId) -> Action<'_>) -> Result<(), Denied> {
        let own = self.principal.role.team();
        let team = match owner {
            Owner::Team(team) => Some(team),
            Owner::Nobody => None,
            Owner::Absent => own,
        };
        if let Some(team) = team {
            return self.principal.may(action(team));
        }
        let nobody = NOBODY.map(|name| TeamId::try_new(name).expect("letters and hyphens are a name"));
        let mut others = nobody.iter().filter(|nobody| Some(*nobody) != own);
        others.try_for_each(|nobody| self.principal.may(action(nobody)))
    }

    /// The author of what they decide.
    ///
    /// It is themselves. An admin may act for somebody, which is kept beside their own name; the holder of the admin
    /// token has no name of their own and must say whom they act for.
    pub(crate) fn author(&self, given: &str) -> Result<String, AuthorRefused> {
        let (name, given) = (&self.principal.name, given.trim());
        match &self.known_by {
            KnownBy::AdminToken | KnownBy::ThisMachine => Ok(given.to_owned()),
            _ if given.is_empty() || given == name => Ok(name.clone()),
            _ if self.principal.role == Role::Admin => Ok(in_the_name_of(given, name)),
            _ => {
                let (name, role) = (name.clone(), self.principal.role.clone());
                Err(AuthorRefused { name, role, author: given.to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::rules::Touch;

    fn caller(role: Role, known_by: KnownBy) -> Caller {
        Caller::new(Arc::new(Principal { name: "ada".into(), role }), known_by)
    }

    fn team(name: &str) -> TeamId {
        TeamId::try_new(name).unwrap()
    }

    #[test]
    fn whoever_is_known_by_name_decides_in_it() {
        for role in [Role::Admin, Role::Approver, Role::Lead(team("web"))] {
            let caller = caller(role, KnownBy::Certificate);
            assert_eq!(caller.author("").unwrap(), "ada");
            assert_eq!(caller.author(" ada ").unwrap(), "ada");
        }
    }

    #[test]
    fn only_an_admin_acts_for_somebody_and_it_is_kept_who_did() {
        let admin = caller(Role::Admin, KnownBy::Certificate);
        assert_eq!(admin.author("grace").unwrap(), "grace (by ada)");
        let refused = caller(Role::Approver, KnownBy::Certificate).author("grace").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "ada (approver) may not decide in the name of grace; leave the author out; this is for: admin"
        );
        assert_eq!(caller(Role::Admin, KnownBy::AdminToken).author("grace").unwrap(), "grace");
        assert_eq!(caller(Role::Admin, KnownBy::AdminToken).author(" ").unwrap(), "");
    }

    fn touches(role: Role, touch: Touch, owner: Owner<'_>) -> bool {
        caller(role, KnownBy::Certificate).calls(Rule::MayTo(touch)).unwrap().may_touch(owner).is_ok()
    }

    #[test]
    fn who_may_not_do_it_at_all_does_not_learn_what_there_is() {
        let asked = |role| touches(role, Touch::ManageKeys, Owner::Absent);
        assert!(!asked(Role::Node) && !asked(Role::Viewer) && !asked(Role::Approver));
        assert!(asked(Role::Lead(team("web"))) && asked(Role::Admin));
    }

    #[test]
    fn what_has_lost_its_team_is_no_leads() {
        let asked = |role, owner: Owner<'_>| touches(role, Touch::ManageKeys, owner);
        for team in ["web", "nobody", "no-one"].map(team) {
            assert!(!asked(Role::Lead(team.clone()), Owner::Nobody), "{team}");
            assert!(asked(Role::Lead(team.clone()), Owner::Team(&team)), "{team}");
            assert!(!asked(Role::Lead(self::team("other")), Owner::Team(&team)), "{team}");
        }
        assert!(asked(Role::Admin, Owner::Nobody));
    }

    #[test]
    fn headroom_is_for_gateways_and_for_those_who_see_the_team() {
        let web = team("web");
        let sees = |role| touches(role, Touch::SeeHeadroom, Owner::Team(&web));
        for role in [Role::Admin, Role::Approver, Role::Viewer, Role::Node, Role::Lead(team("web"))] {
            assert!(sees(role.clone()), "{role}");
        }
        assert!(!sees(Role::Lead(team("other"))));
    }
}
