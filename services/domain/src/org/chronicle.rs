//! The history of an organisation as people read it: who decided what, when and why, and which budgets told of themselves.
//!
//! Folds facts in the order of each key, whichever comes first of different keys, and says each as a line beside what was
//! before. Facts that only say how others were recorded are not told.

use crate::authorship::Authorship;
use crate::fact::QuotaFact;
use crate::ids::{ExceptionId, PoolId, ServiceId, TeamId};
use crate::ledger::{Change, Governed, Moved, Movement, PoolTerms, TermsChanged};
use crate::org::owners::Owners;
use crate::org::{Decided, Event, Org, lines};
use crate::time::Timestamp;

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// Who decided it and why; none if it came by itself.
    pub by: Option<Authorship>,
    /// The pool that it is about, if it is about one.
    pub pool: Option<PoolId>,
    /// The service that it is about, if it is about one.
    pub service: Option<ServiceId>,
    /// The team that it is about, if it is about one itself and not about a service of it.
    pub team: Option<TeamId>,
    /// Whether it is about an access key: the business of those who manage them.
    pub about_access: bool,
    /// What happened.
    pub what: String,
    /// What comes of it for access keys, to be told after it to those who manage them; mostly empty.
    pub of_access: String,
}

impl Entry {
    /// What happened, with what comes of it for access keys.
    pub fn whole(&self) -> String {
        format!("{}{}", self.what, self.of_access)
    }
}

/// What was told so far.
#[derive(Debug, Clone, Default)]
pub struct Chronicle {
    org: Org,
    owners: Owners,
}

impl Chronicle {
    /// What a fact says to people. Nothing, if it is about tokens, or about how others are recorded.
    pub fn tell(&mut self, fact: &QuotaFact) -> Vec<Entry> {
        match fact {
            QuotaFact::Org(event) => {
                let told = self.decided(event);
                self.org.evolve(event);
                if let Decided::ServiceDefined(service) = &event.what {
                    self.owners.define(&service.id, &service.team, event.by.at);
                }
                told.into_iter().collect()
            }
            QuotaFact::Governed { pool, event } => {
                let told = self.governed(pool, event);
                self.org.evolve_pool(pool, event);
                vec![told]
            }
            QuotaFact::Moved { pool, movements } => {
                movements.iter().filter_map(|movement| moved(pool, movement)).collect()
            }
            QuotaFact::Resumed { .. } => Vec::new(),
        }
    }

    /// The team that a line is about: itself, or as the one whose service it is about was then. To be asked when all facts
    /// are told, for those of different keys come in any order. None if it is about no team, or nobody knows any more.
    pub fn team_of<'a>(&'a self, entry: &'a Entry) -> Option<&'a TeamId> {
        let owner = || self.owners.at(entry.service.as_ref()?, entry.at);
        entry.team.as_ref().or_else(owner)
    }

    fn decided(&self, event: &Event) -> Option<Entry> {
        let service = match &event.what {
            Decided::ChangeIntended(_) | Decided::CommandMade(_) | Decided::ChangeEnded { refused: None } => {
                return None;
            }
            Decided::ServiceDefined(service) => Some(service.id.clone()),
            Decided::ServiceRemoved(service) => Some(service.clone()),
            Decided::ExceptionGranted(exception) => Some(exception.service.clone()),
            Decided::ExceptionEnded(id) => self.service_of(id),
            Decided::CallerKeyCreated(key) => Some(key.service.clone()),
            Decided::CallerKeyRevoked(id) | Decided::CallerKeyExpirySet { key: id, .. } => {
                self.org.key(id).map(|key| key.service.clone())
            }
            _ => None,
        };
        let (what, of_access) = match &event.what {
            Decided::TeamRemoved(team) => {
                (lines::of_team_removed(team), lines::leads_locked_out(&self.org, team))
            }
            what => (lines::of_decided(&self.org, what), String::new()),
        };
        let team = self.team_itself(&event.what);
        let about_access = matches!(event.what, Decided::AccessKeyCreated(_) | Decided::AccessKeyRevoked(_));
        let (at, by) = (event.by.at, Some(event.by.clone()));
        Some(Entry { at, by, pool: None, service, team, about_access, what, of_access })
    }

    fn team_itself(&self, what: &Decided) -> Option<TeamId> {
        match what {
            Decided::TeamDefined(team) => Some(team.id.clone()),
            Decided::TeamRemoved(team) => Some(team.clone()),
            Decided::AccessKeyCreated(key) => key.role.team().cloned(),
            Decided::AccessKeyRevoked(id) => {
                let key = self.org.access_keys().find(|key| key.id == *id);
                key.and_then(|key| key.role.team().cloned())
            }
            _ => None,
        }
    }

    fn service_of(&self, exception: &ExceptionId) -> Option<ServiceId> {
        self.org.exception(exception).map(|exception| exception.service.clone())
    }

    fn governed(&self, pool: &PoolId, event: &Governed) -> Entry {
        let undecided = PoolTerms::default();
        let before = self.org.terms(pool).unwrap_or(&undecided);
        let (at, by, pool_id) = (event.by.at, Some(event.by.clone()), Some(pool.clone()));
        let what = match &event.what {
            TermsChanged::DebtForgiven { service, tokens, .. } => lines::of_forgiven(pool, service, *tokens),
            what => lines::of_change(pool, &Change::from(what.clone()), before, at),
        };
        let service = service_of(&event.what, before);
        let of_access = String::new();
        Entry { at, by, pool: pool_id, service, team: None, about_access: false, what, of_access }
    }
}

fn service_of(what: &TermsChanged, before: &PoolTerms) -> Option<ServiceId> {
    match what {
        TermsChanged::PoolDefined(_) | TermsChanged::PoolRemoved => None,
        TermsChanged::AllocationSet { service, .. }
        | TermsChanged::AllocationRemoved { service }
        | TermsChanged::DebtForgiven { service, .. } => Some(service.clone()),
        TermsChanged::BurstGranted(granted) => Some(granted.burst.service.clone()),
        TermsChanged::BurstRequested(burst) => Some(burst.service.clone()),
        TermsChanged::BurstApproved { burst, .. }
        | TermsChanged::BurstDenied { burst }
        | TermsChanged::BurstRevoked { burst }
        | TermsChanged::BurstExtended { burst, .. } => {
            before.bursts().get(burst).map(|record| record.burst.service.clone())
        }
    }
}

fn moved(pool: &PoolId, movement: &Movement) -> Option<Entry> {
    let Movement { at, service, what: Moved::ThresholdReached { budget, percent } } = movement else {
        return None;
    };
    let what = format!("budget {budget} of service {service} in pool {pool}: {percent} % used");
    let (pool, service) = (Some(pool.clone()), Some(service.clone()));
    let of_access = String::new();
    Some(Entry { at: *at, by: None, pool, service, team: None, about_access: false, what, of_access })
}
