//! Exceptions granted and ended one by one, and what that does to the allocations that stand by them.

use std::collections::{BTreeMap, BTreeSet};

use crate::authorship::Authorship;
use crate::calendar::Utc;
use crate::ids::{ExceptionId, PoolId, ServiceId};
use crate::ledger::{Change, ChangeRefused, PoolTerms, decide_change};
use crate::org::{Decided, Event, Org, PolicyChange, bursts, lines};
use crate::policy::{
    Exception, Lapse, PolicyProblem, Rules, Service, Terms, Waiver, Waivers, problems_of_exception,
};
use crate::time::Timestamp;

/// Exceptions that have not ended: more than that are a policy, not deviations from one. Each is looked at with every policy.
pub const EXCEPTIONS_MAX: usize = 1_024;

/// Why an exception is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExceptionRefused {
    /// It would be for a service that there is not.
    #[error("service {service} is not defined; define it in the policy first")]
    NoService {
        /// The service.
        service: ServiceId,
    },
    /// It does not say what it must.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unsound(Vec<PolicyProblem>),
    /// It would have ended already.
    #[error("exception {id} would end at {}, which has passed; choose a later end", Utc(*.end))]
    EndPast {
        /// The name.
        id: ExceptionId,
        /// The end.
        end: Timestamp,
    },
    /// There are as many as there may be.
    #[error(
        "{open} exceptions have not ended, which is the most; end one that is not needed, or make a rule of it"
    )]
    TooMany {
        /// How many.
        open: usize,
    },
    /// One of that name was ended before its end.
    #[error("an exception named {id} was ended; choose another name")]
    NameTaken {
        /// The name.
        id: ExceptionId,
    },
    /// What it would let a service have again no longer fits.
    #[error("pool {pool}: {refused}")]
    DoesNotFit {
        /// The pool.
        pool: PoolId,
        /// Why.
        refused: ChangeRefused,
    },
    /// There is no such exception.
    #[error("there is no exception named {id}")]
    NoException {
        /// The name.
        id: ExceptionId,
    },
}

impl Org {
    /// Those that have not ended, the soonest to end first.
    pub fn exceptions(&self, now: Timestamp) -> Vec<&Exception> {
        let mut open: Vec<_> = self.exceptions.values().filter(|exception| exception.end > now).collect();
        open.sort_by_key(|exception| exception.end);
        open
    }

    /// The exception of a name, unless it was ended before its end.
    pub fn exception(&self, id: &ExceptionId) -> Option<&Exception> {
        self.exceptions.get(id)
    }

    /// Grants an exception, or changes the one of that name; nothing changes if it is so already.
    ///
    /// What a service has beyond the sandbox by this exception lapses with it, and no burst lasts longer.
    pub fn grant_exception(
        &self,
        exception: &Exception,
        rules: &Rules,
        by: &Authorship,
    ) -> Result<PolicyChange, ExceptionRefused> {
        let before = self.exceptions.get(&exception.id);
        let same = before == Some(exception);
        if same && exception.end <= by.at {
            return Ok(PolicyChange::default());
        }
        self.check_exception(exception, by.at)?;
        let what = (!same).then(|| Decided::ExceptionGranted(exception.clone()));
        let kept = self.exceptions.values().filter(|other| other.id != exception.id);
        let waivers = Waivers::new(kept.chain([exception]), by.at);
        self.with_lapses(
            what,
            before.into_iter().chain([exception]),
            &Derivation { rules: *rules, waivers, by },
        )
    }

    /// Ends an exception now; nothing changes if it has ended.
    pub fn end_exception(
        &self,
        id: &ExceptionId,
        rules: &Rules,
        by: &Authorship,
    ) -> Result<PolicyChange, ExceptionRefused> {
        let Some(exception) = self.exceptions.get(id) else {
            let ended = self.ended.contains(id);
            return if ended {
                Ok(PolicyChange::default())
            } else {
                Err(ExceptionRefused::NoException { id: id.clone() })
            };
        };
        if exception.end <= by.at {
            return Ok(PolicyChange::default());
        }
        let kept = self.exceptions.values().filter(|other| other.id != *id);
        let waivers = Waivers::new(kept, by.at);
        self.with_lapses(
            Some(Decided::ExceptionEnded(id.clone())),
            [exception],
            &Derivation { rules: *rules, waivers, by },
        )
    }

    fn check_exception(&self, exception: &Exception, now: Timestamp) -> Result<(), ExceptionRefused> {
        let problems = problems_of_exception(exception);
        if !problems.is_empty() {
            return Err(ExceptionRefused::Unsound(problems));
        }
        let (id, end) = (&exception.id, exception.end);
        if self.ended.contains(id) {
            return Err(ExceptionRefused::NameTaken { id: id.clone() });
        }
        if !self.services.contains_key(&exception.service) {
            return Err(ExceptionRefused::NoService { service: exception.service.clone() });
        }
        if end <= now {
            return Err(ExceptionRefused::EndPast { id: id.clone(), end });
        }
        let others = self.exceptions.values().filter(|other| other.end > now && other.id != *id).count();
        if others >= EXCEPTIONS_MAX { Err(ExceptionRefused::TooMany { open: others }) } else { Ok(()) }
    }

    /// A decision about an exception, and what it makes of the allocations of the services that it concerns.
    fn with_lapses<'a>(
        &self,
        what: Option<Decided>,
        concerned: impl IntoIterator<Item = &'a Exception>,
        derivation: &Derivation<'_>,
    ) -> Result<PolicyChange, ExceptionRefused> {
        let waiving = concerned.into_iter().filter(|exception| exception.waives == Waiver::SandboxLimit);
        let services: BTreeSet<&ServiceId> = waiving.map(|exception| &exception.service).collect();
        let mut change = PolicyChange::default();
        for service in services.into_iter().filter_map(|service| self.services.get(service)) {
            for (pool, terms) in &self.pools {
                let at = derivation.by.at;
                let revoked = bursts::uncovered(terms, service, &derivation.waivers, at);
                let lapsed: Vec<_> = derivation.lapsed(service, terms).into_iter().chain(revoked).collect();
                change.lines.extend(lapsed.iter().map(|change| lines::of_change(pool, change, terms, at)));
                change.pools.entry(pool.clone()).or_default().extend(lapsed);
            }
        }
        change.pools.retain(|_, changes| !changes.is_empty());
        self.check_fit(&change.pools, derivation.by)?;
        change.lines.extend(what.iter().map(|what| lines::of_decided(self, what)));
        change.org = what.into_iter().map(|what| Event { by: derivation.by.clone(), what }).collect();
        Ok(change)
    }

    fn check_fit(
        &self,
        pools: &BTreeMap<PoolId, Vec<Change>>,
        by: &Authorship,
    ) -> Result<(), ExceptionRefused> {
        for (pool, changes) in pools {
            let terms = self.pools.get(pool).expect("only pools that exist are changed");
            decide_change(terms, by, changes, None)
                .map_err(|refused| ExceptionRefused::DoesNotFit { pool: pool.clone(), refused })?;
        }
        Ok(())
    }
}

/// What lapses depend on.
struct Derivation<'a> {
    rules: Rules,
    waivers: Waivers,
    by: &'a Authorship,
}

impl Derivation<'_> {
    /// The service's allocation in a pool with another lapse, if it has one there that must have another.
    fn lapsed(&self, service: &Service, pool: &PoolTerms) -> Option<Change> {
        let held = pool.allocations().get(&service.id)?;
        let over = |lapse: Lapse| lapse.at <= self.by.at;
        let entitled = held.entitled(service, self.rules, &self.waivers);
        let terms = match entitled {
            Some(terms) => terms,
            None if held.lapse.is_some_and(over) => return None,
            None => {
                let lapse = Lapse { at: self.by.at, to: self.rules.sandbox };
                Terms { lapse: Some(lapse), ..held.clone() }
            }
        };
        (terms != *held).then(|| Change::SetAllocation { service: service.id.clone(), terms })
    }
}
