//! Whose each service was, and when: what is told of the past concerns the team whose service it was then.

use std::collections::BTreeMap;

use crate::ids::{ServiceId, TeamId};
use crate::time::Timestamp;

/// Beginnings of ownership that are kept: ten thousand services that change their team six times. Beyond, the oldest is
/// forgotten, and what is that old is about no team.
const OWNERSHIPS_MAX: usize = 65_536;

/// After every other instant.
const LATEST: Timestamp = Timestamp::from_nanos(i64::MAX);

/// Teams, by the service that was theirs and the instant from which it was. A service that is removed stays its last team's.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners(BTreeMap<(ServiceId, Timestamp), TeamId>);

impl Owners {
    /// A service is a team's from an instant on.
    pub(super) fn define(&mut self, service: &ServiceId, team: &TeamId, at: Timestamp) {
        let last = self.until(service, LATEST);
        if last.is_some_and(|(_, owner)| owner == team) {
            return;
        }
        // Where time went back between two decisions, the later one holds all the same.
        let at = last.map_or(at, |(since, _)| since.max(at));
        self.0.insert((service.clone(), at), team.clone());
        if self.0.len() > OWNERSHIPS_MAX {
            let oldest = self.0.keys().min_by_key(|(_, since)| *since).cloned();
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
    }

    /// Whose a service was.
    pub(super) fn at(&self, service: &ServiceId, at: Timestamp) -> Option<&TeamId> {
        self.until(service, at).map(|(_, team)| team)
    }

    fn until(&self, service: &ServiceId, at: Timestamp) -> Option<(Timestamp, &TeamId)> {
        let (begun, team) = self.0.range(..=(service.clone(), at)).next_back()?;
        (begun.0 == *service).then_some((begun.1, team))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team(name: &str) -> TeamId {
        name.parse().unwrap()
    }

    #[test]
    fn a_service_is_the_team_s_that_had_it_then() {
        let (mut owners, chat) = (Owners::default(), "chat".parse().unwrap());
        for (name, second) in [("web", 10), ("web", 15), ("ops", 20), ("web", 18)] {
            owners.define(&chat, &team(name), Timestamp::from_secs(second));
        }
        let at = |second| owners.at(&chat, Timestamp::from_secs(second)).map(TeamId::as_str);
        assert_eq!([at(9), at(10), at(19), at(20)], [None, Some("web"), Some("web"), Some("web")]);
        assert_eq!(owners.at(&"chatter".parse().unwrap(), LATEST), None);
        owners.define(&chat, &team("ops"), Timestamp::from_secs(30));
        let at = |second| owners.at(&chat, Timestamp::from_secs(second)).map(TeamId::as_str);
        assert_eq!([at(29), at(30)], [Some("web"), Some("ops")]);
    }

    #[test]
    fn no_more_is_kept_than_may_be_and_the_oldest_is_forgotten() {
        let mut owners = Owners::default();
        let service = |number: usize| format!("service-{number}").parse().unwrap();
        for number in 0..=OWNERSHIPS_MAX {
            let at = Timestamp::from_secs(i64::try_from(number).unwrap());
            owners.define(&service(number), &team("web"), at);
        }
        assert_eq!(owners.0.len(), OWNERSHIPS_MAX);
        assert_eq!(owners.at(&service(0), LATEST), None);
        assert!(owners.at(&service(1), LATEST).is_some());
    }
}
