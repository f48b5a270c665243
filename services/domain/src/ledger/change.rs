//! What may be changed about a pool, and what of it is new: all of a list of changes or nothing.
//!
//! Guarantees are weighed once, after the last change: one may shrink so that another can grow. What only lowers
//! guarantees is never refused for want of room. Whether terms make sense by themselves is the business of whoever
//! reads them (see [`crate::policy::problems`]).

use std::borrow::Cow;

use crate::authorship::Authorship;
use crate::burst::{Approval, Burst, BurstPhase, BurstRecord};
use crate::ids::BurstId;
use crate::ledger::{Change, ChangeRefused, Governed, PoolTerms, TermsChanged, shortage};
use crate::time::Timestamp;

/// Finds what a list of changes brings, in order; nothing if it is so already.
///
/// The author's time is the time of the decision. `expected` is the version that whoever asks has seen: another one refuses
/// whatever would change something.
pub fn decide_change(
    terms: &PoolTerms,
    by: &Authorship,
    changes: &[Change],
    expected: Option<u64>,
) -> Result<Vec<Governed>, ChangeRefused> {
    let decided = decide_whatever_version(terms, by, changes);
    let found = terms.version();
    match (expected, decided) {
        (_, Ok(nothing)) if nothing.is_empty() => Ok(nothing),
        (Some(expected), _) if expected != found => Err(ChangeRefused::VersionMismatch { expected, found }),
        (_, decided) => decided,
    }
}

fn decide_whatever_version(
    before: &PoolTerms,
    by: &Authorship,
    changes: &[Change],
) -> Result<Vec<Governed>, ChangeRefused> {
    let mut after = Cow::Borrowed(before);
    let mut events = Vec::new();
    let several = changes.len() > 1;
    for change in changes {
        let Some(what) = after.difference(change) else {
            check_known(&after, change)?;
            continue;
        };
        check(&after, change, by.at)?;
        let event = Governed { by: by.clone(), what };
        // What comes of one change matters only to what is weighed, and a pool is not copied for nothing.
        if several || may_raise(&event.what) {
            after.to_mut().evolve(&event);
        }
        events.push(event);
    }
    if several && after.is_same_as(before) {
        return Ok(Vec::new());
    }
    let short = events.iter().any(|event| may_raise(&event.what)).then(|| shortage(&after, by.at)).flatten();
    short.map_or(Ok(events), |short| Err(ChangeRefused::DoesNotFit(short)))
}

/// Whether more may be guaranteed after a decision, or less be there for it.
const fn may_raise(what: &TermsChanged) -> bool {
    match what {
        TermsChanged::PoolDefined(_)
        | TermsChanged::AllocationSet { .. }
        | TermsChanged::BurstGranted(_)
        | TermsChanged::BurstApproved { approval: Approval::Guaranteed, .. }
        | TermsChanged::BurstExtended { .. } => true,
        TermsChanged::PoolRemoved
        | TermsChanged::DebtForgiven { .. }
        | TermsChanged::AllocationRemoved { .. }
        | TermsChanged::BurstRequested(_)
        | TermsChanged::BurstApproved { approval: Approval::BestEffort, .. }
        | TermsChanged::BurstDenied { .. }
        | TermsChanged::BurstRevoked { .. } => false,
    }
}

/// A change that brings nothing is about a burst that is known, if it is about a burst.
fn check_known(terms: &PoolTerms, change: &Change) -> Result<(), ChangeRefused> {
    match change {
        Change::ApproveBurst { burst, .. }
        | Change::DenyBurst { burst }
        | Change::RevokeBurst { burst }
        | Change::ExtendBurst { burst, .. } => record(terms, burst).map(|_| ()),
        _ => Ok(()),
    }
}

/// Whether a change that brings something may be made.
fn check(terms: &PoolTerms, change: &Change, now: Timestamp) -> Result<(), ChangeRefused> {
    match change {
        Change::SetAllocation { .. } if terms.pool().is_none() => Err(ChangeRefused::NoPool),
        Change::GrantBurst(granted) => check_grant(terms, &granted.burst, now),
        Change::RequestBurst(burst) => check_request(terms, burst, now),
        Change::ApproveBurst { burst, approval } => check_approval(record(terms, burst)?, *approval, now),
        Change::DenyBurst { burst } => {
            let burst = record(terms, burst)?;
            if burst.phase(now) == BurstPhase::Requested {
                Ok(())
            } else {
                Err(too_late(burst, "denied", now))
            }
        }
        Change::RevokeBurst { burst } => {
            let burst = record(terms, burst)?;
            if burst.phase(now).is_open() { Ok(()) } else { Err(too_late(burst, "revoked", now)) }
        }
        Change::ExtendBurst { burst, end } => check_extension(record(terms, burst)?, *end, now),
        Change::DefinePool(_)
        | Change::RemovePool
        | Change::ForgiveDebt { .. }
        | Change::SetAllocation { .. }
        | Change::RemoveAllocation { .. } => Ok(()),
    }
}

fn record<'a>(terms: &'a PoolTerms, burst: &BurstId) -> Result<&'a BurstRecord, ChangeRefused> {
    terms.bursts().get(burst).ok_or_else(|| ChangeRefused::NoBurst { burst: burst.clone() })
}

fn check_has_allocation(terms: &PoolTerms, burst: &Burst) -> Result<(), ChangeRefused> {
    if terms.pool().is_none() {
        return Err(ChangeRefused::NoPool);
    }
    if terms.allocations().contains_key(&burst.service) {
        return Ok(());
    }
    Err(ChangeRefused::BurstWithoutAllocation { service: burst.service.clone() })
}

fn check_request(terms: &PoolTerms, burst: &Burst, now: Timestamp) -> Result<(), ChangeRefused> {
    if terms.bursts().contains_key(&burst.id) {
        return Err(ChangeRefused::BurstNameTaken { burst: burst.id.clone() });
    }
    check_has_allocation(terms, burst)?;
    let asked = BurstRecord::requested(burst);
    if asked.phase(now) == BurstPhase::Expired {
        return Err(too_late(&asked, "requested", now));
    }
    terms.full_of_bursts(&burst.service, now).map_or(Ok(()), Err)
}

/// A burst that is open already, or over, takes no further room.
fn check_grant(terms: &PoolTerms, burst: &Burst, now: Timestamp) -> Result<(), ChangeRefused> {
    check_has_allocation(terms, burst)?;
    let known = terms.bursts().get(&burst.id).filter(|known| known.burst.service == burst.service);
    if known.is_some_and(|known| known.phase(now).is_open()) || burst.window.end() <= now {
        return Ok(());
    }
    terms.full_of_bursts(&burst.service, now).map_or(Ok(()), Err)
}

/// A guaranteed burst is not made less by approving it otherwise, so that an approval that comes late, or again, after
/// a better one undoes nothing.
fn check_approval(burst: &BurstRecord, approval: Approval, now: Timestamp) -> Result<(), ChangeRefused> {
    match burst.phase(now) {
        BurstPhase::Upcoming | BurstPhase::Active if approval == Approval::BestEffort => {
            Err(ChangeRefused::BurstPhase {
                burst: burst.burst.id.clone(),
                phase: "guaranteed",
                asked: "approved as best effort",
            })
        }
        BurstPhase::Requested | BurstPhase::Upcoming | BurstPhase::Active => Ok(()),
        BurstPhase::Expired | BurstPhase::Denied | BurstPhase::Revoked => {
            Err(too_late(burst, "approved", now))
        }
    }
}

/// What is over stays over: a burst does not count again, and did not count in between.
fn check_extension(burst: &BurstRecord, end: Timestamp, now: Timestamp) -> Result<(), ChangeRefused> {
    let ends = burst.burst.window.end();
    match burst.phase(now) {
        BurstPhase::Upcoming | BurstPhase::Active if end > ends => {
            let beyond = burst.extended(end).out_of_bounds().next();
            beyond.map_or(Ok(()), |beyond| Err(ChangeRefused::BurstOutOfBounds(beyond)))
        }
        BurstPhase::Upcoming | BurstPhase::Active => {
            Err(ChangeRefused::NotLater { burst: burst.burst.id.clone(), end: ends })
        }
        _ => Err(too_late(burst, "extended", now)),
    }
}

fn too_late(burst: &BurstRecord, asked: &'static str, now: Timestamp) -> ChangeRefused {
    ChangeRefused::BurstPhase { burst: burst.burst.id.clone(), phase: burst.phase(now).as_str(), asked }
}
