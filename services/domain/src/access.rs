//! Who may do what with the quota service itself: access keys, roles, and the rules between them.
//!
//! Pure: who somebody is was found out by whoever took the call. Nobody reads or changes another team's things, except
//! those whose role is to see or decide everything.

use std::fmt;

use crate::directory::KeyHash;
use crate::ids::{AccessKeyId, TeamId};
use crate::time::Timestamp;

/// What somebody is to the quota service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Role {
    /// May do everything.
    Admin,
    /// Decides on bursts and exceptions, and sees everything.
    Approver,
    /// Asks for a team and manages its caller keys, and sees what concerns it.
    Lead(TeamId),
    /// A gateway: admission and the directory.
    Node,
    /// Sees everything, changes nothing.
    Viewer,
}

impl Role {
    /// Its name, without its team.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Approver => "approver",
            Self::Lead(_) => "lead",
            Self::Node => "node",
            Self::Viewer => "viewer",
        }
    }

    /// The team it is for, if it is for one.
    pub const fn team(&self) -> Option<&TeamId> {
        match self {
            Self::Lead(team) => Some(team),
            _ => None,
        }
    }

    /// Whether it sees what concerns every team.
    const fn sees_all(&self) -> bool {
        matches!(self, Self::Admin | Self::Approver | Self::Viewer)
    }

    /// Whether it decides on bursts and exceptions.
    const fn decides(&self) -> bool {
        matches!(self, Self::Admin | Self::Approver)
    }

    fn leads(&self, team: &TeamId) -> bool {
        self.team() == Some(team)
    }

    fn may(&self, action: Action<'_>) -> bool {
        match action {
            Action::Admit | Action::WatchDirectory => matches!(self, Self::Admin | Self::Node),
            Action::ReadAll => self.sees_all(),
            Action::ReadTeam(team) => self.sees_all() || self.leads(team),
            Action::ReadOwn => true,
            Action::ApplyPolicy | Action::ManageAccess | Action::ForgiveDebt => *self == Self::Admin,
            Action::RequestBurst(team) | Action::ManageKeys(team) => *self == Self::Admin || self.leads(team),
            Action::DecideBurst | Action::GrantException => self.decides(),
            Action::RevokeBurst(team) => self.decides() || self.leads(team),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lead(team) => write!(f, "lead of team {team}"),
            _ => f.write_str(self.as_str()),
        }
    }
}

/// A key that opens the quota service itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Its public name, which is that of its holder in every decision.
    pub id: AccessKeyId,
    /// What is compared with what is presented.
    pub hash: KeyHash,
    /// What its holder is.
    pub role: Role,
    /// From when on it is no longer accepted, if ever.
    pub expires: Option<Timestamp>,
}

/// Somebody whose identity is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Their name: the author of what they decide.
    pub name: String,
    /// What they are.
    pub role: Role,
}

/// What somebody asks to do, and to whose things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// Reserve, settle, release, extend; ask for one service's headroom.
    Admit,
    /// Be told what gateways must know.
    WatchDirectory,
    /// See what concerns every team.
    ReadAll,
    /// See what concerns a team.
    ReadTeam(&'a TeamId),
    /// Ask who one is.
    ReadOwn,
    /// Make a policy so, or see what it would change.
    ApplyPolicy,
    /// Create, list and revoke access keys.
    ManageAccess,
    /// Forgive what a service owes.
    ForgiveDebt,
    /// Ask for a burst of a team's service.
    RequestBurst(&'a TeamId),
    /// Approve, deny or extend any burst.
    DecideBurst,
    /// End a burst of a team's service.
    RevokeBurst(&'a TeamId),
    /// Grant or end any exception.
    GrantException,
    /// Create, rotate and revoke caller keys of a team's services.
    ManageKeys(&'a TeamId),
}

impl<'a> Action<'a> {
    /// The team whose things it is about.
    const fn team(self) -> Option<&'a TeamId> {
        match self {
            Self::ReadTeam(team)
            | Self::RequestBurst(team)
            | Self::RevokeBurst(team)
            | Self::ManageKeys(team) => Some(team),
            _ => None,
        }
    }

    /// Every role that may do it.
    fn roles(self) -> Vec<Role> {
        let lead = self.team().cloned().map(Role::Lead);
        let all = [Role::Admin, Role::Approver, Role::Node, Role::Viewer].into_iter().chain(lead);
        all.filter(|role| role.may(self)).collect()
    }
}

impl fmt::Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admit => f.write_str("reserve and settle tokens"),
            Self::WatchDirectory => f.write_str("watch the directory"),
            Self::ReadAll => f.write_str("see what concerns every team"),
            Self::ReadTeam(team) => write!(f, "see what concerns team {team}"),
            Self::ReadOwn => f.write_str("ask who they are"),
            Self::ApplyPolicy => f.write_str("plan or apply a policy"),
            Self::ManageAccess => f.write_str("manage access keys"),
            Self::ForgiveDebt => f.write_str("forgive debt"),
            Self::RequestBurst(team) => write!(f, "request a burst for team {team}"),
            Self::DecideBurst => f.write_str("decide on bursts"),
            Self::RevokeBurst(team) => write!(f, "revoke a burst of team {team}"),
            Self::GrantException => f.write_str("grant or end exceptions"),
            Self::ManageKeys(team) => write!(f, "manage caller keys of team {team}"),
        }
    }
}

/// Somebody may not do what they ask to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} ({role}) may not {action}; this is for: {}", Names(.could))]
pub struct Denied {
    /// Who asked.
    pub name: String,
    /// What they are.
    pub role: Role,
    /// What they asked to do, in words.
    pub action: String,
    /// Every role that may do it.
    pub could: Vec<Role>,
}

struct Names<'a>(&'a [Role]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, role) in self.0.iter().enumerate() {
            write!(f, "{}{role}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Principal {
    /// Whether they may do something; who could, if they may not.
    pub fn may(&self, action: Action<'_>) -> Result<(), Denied> {
        if self.role.may(action) {
            return Ok(());
        }
        let (name, role) = (self.name.clone(), self.role.clone());
        Err(Denied { name, role, action: action.to_string(), could: action.roles() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team(name: &str) -> TeamId {
        TeamId::try_new(name).unwrap()
    }

    fn somebody(role: Role) -> Principal {
        Principal { name: "eve".into(), role }
    }

    #[test]
    fn every_role_may_do_what_it_is_for_and_nothing_else() {
        let (web, other) = (team("web"), team("other"));
        let roles = [Role::Admin, Role::Approver, Role::Lead(web.clone()), Role::Node, Role::Viewer];
        #[rustfmt::skip]
        let table = [
            //                              admin  approver lead(web) node  viewer
            (Action::Admit,                [true,  false,   false,   true,  false]),
            (Action::WatchDirectory,       [true,  false,   false,   true,  false]),
            (Action::ReadAll,              [true,  true,    false,   false, true]),
            (Action::ReadTeam(&web),       [true,  true,    true,    false, true]),
            (Action::ReadTeam(&other),     [true,  true,    false,   false, true]),
            (Action::ReadOwn,              [true,  true,    true,    true,  true]),
            (Action::ApplyPolicy,          [true,  false,   false,   false, false]),
            (Action::ManageAccess,         [true,  false,   false,   false, false]),
            (Action::ForgiveDebt,          [true,  false,   false,   false, false]),
            (Action::RequestBurst(&web),   [true,  false,   true,    false, false]),
            (Action::RequestBurst(&other), [true,  false,   false,   false, false]),
            (Action::DecideBurst,          [true,  true,    false,   false, false]),
            (Action::RevokeBurst(&web),    [true,  true,    true,    false, false]),
            (Action::RevokeBurst(&other),  [true,  true,    false,   false, false]),
            (Action::GrantException,       [true,  true,    false,   false, false]),
            (Action::ManageKeys(&web),     [true,  false,   true,    false, false]),
            (Action::ManageKeys(&other),   [true,  false,   false,   false, false]),
        ];
        for (action, expected) in table {
            let found = roles.each_ref().map(|role| somebody(role.clone()).may(action).is_ok());
            assert_eq!(found, expected, "{action}");
        }
    }

    #[test]
    fn who_is_denied_is_told_who_could() {
        let web = team("web");
        let denied = somebody(Role::Viewer).may(Action::RevokeBurst(&web)).unwrap_err();
        assert_eq!(denied.could, [Role::Admin, Role::Approver, Role::Lead(web.clone())]);
        assert_eq!(
            denied.to_string(),
            "eve (viewer) may not revoke a burst of team web; this is for: admin, approver, lead of team web"
        );
        let denied = somebody(Role::Lead(team("other"))).may(Action::ManageKeys(&web)).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "eve (lead of team other) may not manage caller keys of team web; this is for: admin, lead of team web"
        );
    }
}
