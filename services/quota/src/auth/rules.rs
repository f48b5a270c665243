//! Who may call what: one line for each method of the service. A method without a line may be called by nobody.
//!
//! What may be decided from the caller's role alone is decided before a call is read. Whose things it is about stands in
//! the call itself: such methods ask [`super::Caller::may_touch`] when they know the owner.

use weir_domain::access::Action;
use weir_domain::ids::TeamId;

/// What is asked of whoever calls a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Nothing, not even who they are.
    Open,
    /// That they are known.
    Known,
    /// That their role may do this.
    May(Action<'static>),
    /// That they see everything, or lead a team, of whose things they see.
    SeesSomething,
    /// That their role may do this to the things of the team that the call is about.
    MayTo(Touch),
}

/// What is done to things of a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touch {
    RequestBurst,
    RevokeBurst,
    ManageKeys,
    /// As gateways do, too.
    SeeHeadroom,
}

impl Touch {
    /// It, to the things of a team.
    pub(super) const fn of(self, team: &TeamId) -> Action<'_> {
        match self {
            Self::RequestBurst => Action::RequestBurst(team),
            Self::RevokeBurst => Action::RevokeBurst(team),
            Self::ManageKeys => Action::ManageKeys(team),
            Self::SeeHeadroom => Action::ReadTeam(team),
        }
    }

    /// What lets it be done to the things of every team.
    pub(super) const fn of_all(self) -> Option<Action<'static>> {
        match self {
            Self::SeeHeadroom => Some(Action::Admit),
            Self::RequestBurst | Self::RevokeBurst | Self::ManageKeys => None,
        }
    }
}

/// A method and its rule.
pub(crate) struct Line {
    /// `/package.Service/Method`.
    pub(crate) path: &'static str,
    pub(crate) rule: Rule,
}

const fn line(path: &'static str, rule: Rule) -> Line {
    Line { path, rule }
}

/// Every method, in order of path.
#[rustfmt::skip]
pub(crate) const LINES: &[Line] = &[
    line("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit", Rule::May(Action::Admit)),
    line("/grpc.health.v1.Health/Check", Rule::Open),
    line("/grpc.health.v1.Health/Watch", Rule::Open),
    line("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Rule::Known),
    line("/weir.governance.v1.GovernanceService/ApplyPolicy", Rule::May(Action::ApplyPolicy)),
    line("/weir.governance.v1.GovernanceService/ApproveBurst", Rule::May(Action::DecideBurst)),
    line("/weir.governance.v1.GovernanceService/CreateAccessKey", Rule::May(Action::ManageAccess)),
    line("/weir.governance.v1.GovernanceService/CreateCallerKey", Rule::MayTo(Touch::ManageKeys)),
    line("/weir.governance.v1.GovernanceService/DenyBurst", Rule::May(Action::DecideBurst)),
    line("/weir.governance.v1.GovernanceService/EndException", Rule::May(Action::GrantException)),
    line("/weir.governance.v1.GovernanceService/ExportPolicy", Rule::SeesSomething),
    line("/weir.governance.v1.GovernanceService/ExtendBurst", Rule::May(Action::DecideBurst)),
    line("/weir.governance.v1.GovernanceService/ForgiveDebt", Rule::May(Action::ForgiveDebt)),
    line("/weir.governance.v1.GovernanceService/GrantException", Rule::May(Action::GrantException)),
    line("/weir.governance.v1.GovernanceService/ListAccessKeys", Rule::May(Action::ManageAccess)),
    line("/weir.governance.v1.GovernanceService/ListBursts", Rule::SeesSomething),
    line("/weir.governance.v1.GovernanceService/ListCallerKeys", Rule::SeesSomething),
    line("/weir.governance.v1.GovernanceService/ListDecisions", Rule::SeesSomething),
    line("/weir.governance.v1.GovernanceService/ListExceptions", Rule::SeesSomething),
    line("/weir.governance.v1.GovernanceService/ListHolds", Rule::SeesSomething),
    line("/weir.governance.v1.GovernanceService/RequestBurst", Rule::MayTo(Touch::RequestBurst)),
    line("/weir.governance.v1.GovernanceService/RevokeAccessKey", Rule::May(Action::ManageAccess)),
    line("/weir.governance.v1.GovernanceService/RevokeBurst", Rule::MayTo(Touch::RevokeBurst)),
    line("/weir.governance.v1.GovernanceService/RevokeCallerKey", Rule::MayTo(Touch::ManageKeys)),
    line("/weir.governance.v1.GovernanceService/RotateCallerKey", Rule::MayTo(Touch::ManageKeys)),
    line("/weir.governance.v1.GovernanceService/Simulate", Rule::May(Action::ReadAll)),
    line("/weir.governance.v1.GovernanceService/WatchDirectory", Rule::May(Action::WatchDirectory)),
    line("/weir.governance.v1.GovernanceService/WhoAmI", Rule::May(Action::ReadOwn)),
    line("/weir.quota.v1.AdmissionService/Extend", Rule::May(Action::Admit)),
    line("/weir.quota.v1.AdmissionService/GetHeadroom", Rule::MayTo(Touch::SeeHeadroom)),
    line("/weir.quota.v1.AdmissionService/Release", Rule::May(Action::Admit)),
    line("/weir.quota.v1.AdmissionService/Reserve", Rule::May(Action::Admit)),
    line("/weir.quota.v1.AdmissionService/Session", Rule::May(Action::Admit)),
    line("/weir.quota.v1.AdmissionService/Settle", Rule::May(Action::Admit)),
];

/// The rule of a method; none if there is no such method, or nobody thought about it.
pub(crate) fn of(path: &str) -> Option<Rule> {
    let found = LINES.binary_search_by_key(&path, |line| line.path).ok()?;
    Some(LINES[found].rule)
}

/// Whether a method is governance, which is guarded.
pub(crate) fn is_governance(path: &str) -> bool {
    path.starts_with("/weir.governance.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use prost_types::FileDescriptorSet;

    #[test]
    fn every_method_of_every_service_has_a_rule() {
        for set in [weir_proto::FILE_DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET] {
            let files = FileDescriptorSet::decode(set).unwrap().file;
            for (file, service) in files.iter().flat_map(|file| file.service.iter().map(move |s| (file, s))) {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    assert!(of(&path).is_some(), "{path} may be called by nobody; state who may");
                }
            }
        }
    }

    #[test]
    fn every_line_is_found_and_nothing_else() {
        for line in LINES {
            assert!(of(line.path).is_some(), "{} is not in order", line.path);
        }
        assert!(of("/weir.quota.v1.AdmissionService/Unheard").is_none());
        assert!(of("").is_none());
    }
}
