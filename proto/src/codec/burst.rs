//! Bursts: as they are asked for, as they are granted, and where they are in their life.

use super::DecodeError;
use super::values::{known, parsed, timestamp_to_wire, window_from_wire};
use crate::governance::v1 as wire;
use weir_domain::amount::TokensPerMinute;
use weir_domain::burst::{Approval, Burst, BurstPhase, BurstRecord, Category, GrantedBurst, Verdict};
use weir_domain::time::Timestamp;

/// A burst that is asked for, for the wire.
pub fn burst_to_wire(burst: &Burst) -> wire::Burst {
    wire::Burst {
        id: burst.id.to_string(),
        service: burst.service.to_string(),
        pool: burst.pool.to_string(),
        extra_per_minute: burst.extra.get(),
        start: Some(timestamp_to_wire(burst.window.start())),
        end: Some(timestamp_to_wire(burst.window.end())),
        reason: burst.reason.clone(),
        approved_by: String::new(),
        category: category_to_wire(burst.category).into(),
        requester: burst.requester.clone(),
        best_effort: false,
    }
}

/// A burst that is asked for, from the wire. It says nothing of an approval.
pub fn burst_from_wire(wire: &wire::Burst) -> Result<Burst, DecodeError> {
    const APPROVED: &str = "a burst that is asked for is not approved yet; leave it out";
    if !wire.approved_by.is_empty() {
        return Err(DecodeError::field("bursts.approved_by", APPROVED));
    }
    if wire.best_effort {
        return Err(DecodeError::field("bursts.best_effort", APPROVED));
    }
    asked_from_wire(wire)
}

/// A burst that is granted, for the wire.
pub fn granted_burst_to_wire(granted: &GrantedBurst) -> wire::Burst {
    wire::Burst {
        approved_by: granted.approver.clone(),
        best_effort: is_best_effort(granted.approval),
        ..burst_to_wire(&granted.burst)
    }
}

/// A burst that is granted, from the wire.
pub fn granted_burst_from_wire(wire: &wire::Burst) -> Result<GrantedBurst, DecodeError> {
    Ok(GrantedBurst {
        burst: asked_from_wire(wire)?,
        approval: approval_from_wire(wire.best_effort),
        approver: wire.approved_by.clone(),
    })
}

/// A burst and where it is in its life now. `etag` is the version of its pool.
pub fn burst_state_to_wire(record: &BurstRecord, now: Timestamp, etag: String) -> wire::BurstState {
    let mut burst = burst_to_wire(&record.burst);
    let (mut decided_by, mut decision_reason) = (String::new(), String::new());
    match &record.verdict {
        Verdict::Requested => {}
        Verdict::Approved { approval, approver, reason } => {
            burst.approved_by.clone_from(approver);
            burst.best_effort = is_best_effort(*approval);
            decision_reason.clone_from(reason);
        }
        Verdict::Denied { by, reason } | Verdict::Revoked { by, reason, .. } => {
            decided_by.clone_from(by);
            decision_reason.clone_from(reason);
        }
    }
    let phase = phase_to_wire(record.phase(now)).into();
    wire::BurstState { burst: Some(burst), phase, decided_by, decision_reason, etag }
}

pub(super) fn is_best_effort(approval: Approval) -> bool {
    approval == Approval::BestEffort
}

pub(super) fn approval_from_wire(best_effort: bool) -> Approval {
    if best_effort { Approval::BestEffort } else { Approval::Guaranteed }
}

fn asked_from_wire(wire: &wire::Burst) -> Result<Burst, DecodeError> {
    Ok(Burst {
        id: parsed(&wire.id, "bursts.id")?,
        service: parsed(&wire.service, "bursts.service")?,
        pool: parsed(&wire.pool, "bursts.pool")?,
        extra: TokensPerMinute::new(wire.extra_per_minute),
        window: window_from_wire(wire.start.as_ref(), wire.end.as_ref(), ["bursts.start", "bursts.end"])?,
        category: category_from_wire(wire.category)?,
        reason: wire.reason.clone(),
        requester: wire.requester.clone(),
    })
}

fn category_to_wire(category: Category) -> wire::BurstCategory {
    match category {
        Category::Demo => wire::BurstCategory::Demo,
        Category::Migration => wire::BurstCategory::Migration,
        Category::Training => wire::BurstCategory::Training,
        Category::Onboarding => wire::BurstCategory::Onboarding,
        Category::Incident => wire::BurstCategory::Incident,
        Category::Other => wire::BurstCategory::Other,
    }
}

fn category_from_wire(number: i32) -> Result<Category, DecodeError> {
    Ok(match known(number, "bursts.category")? {
        wire::BurstCategory::Unspecified => Category::default(),
        wire::BurstCategory::Other => Category::Other,
        wire::BurstCategory::Demo => Category::Demo,
        wire::BurstCategory::Migration => Category::Migration,
        wire::BurstCategory::Training => Category::Training,
        wire::BurstCategory::Onboarding => Category::Onboarding,
        wire::BurstCategory::Incident => Category::Incident,
    })
}

fn phase_to_wire(phase: BurstPhase) -> wire::BurstPhase {
    match phase {
        BurstPhase::Requested => wire::BurstPhase::Requested,
        BurstPhase::Upcoming => wire::BurstPhase::Upcoming,
        BurstPhase::Active => wire::BurstPhase::Active,
        BurstPhase::Expired => wire::BurstPhase::Expired,
        BurstPhase::Denied => wire::BurstPhase::Denied,
        BurstPhase::Revoked => wire::BurstPhase::Revoked,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use proptest::prelude::*;
    use weir_domain::time::Window;

    proptest! {
        #[test]
        fn a_burst_survives_the_wire_as_it_was_asked_for(burst in samples::burst()) {
            prop_assert_eq!(burst_from_wire(&burst_to_wire(&burst)), Ok(burst));
        }
    }

    fn asked() -> Burst {
        let at = Timestamp::from_secs;
        Burst {
            id: "launch".parse().unwrap(),
            service: "chat".parse().unwrap(),
            pool: "gpt".parse().unwrap(),
            extra: TokensPerMinute::new(5),
            window: Window::try_new(at(10), at(20)).unwrap(),
            category: Category::Demo,
            reason: "launch".into(),
            requester: "ada".into(),
        }
    }

    fn shown(verdict: Verdict, now: i64) -> (wire::BurstPhase, wire::BurstState) {
        let record = BurstRecord { burst: asked(), verdict };
        let state = burst_state_to_wire(&record, Timestamp::from_secs(now), "7".into());
        (state.phase(), state)
    }

    #[test]
    fn who_asks_for_a_burst_cannot_approve_it_by_the_way() {
        let approved = wire::Burst { approved_by: "ada".into(), ..burst_to_wire(&asked()) };
        assert!(matches!(
            burst_from_wire(&approved),
            Err(DecodeError::Field { field: "bursts.approved_by", .. })
        ));
        let best_effort = wire::Burst { best_effort: true, ..burst_to_wire(&asked()) };
        assert!(matches!(
            burst_from_wire(&best_effort),
            Err(DecodeError::Field { field: "bursts.best_effort", .. })
        ));
    }

    #[test]
    fn a_burst_is_shown_where_it_is_in_its_life() {
        let (approval, approver) = (Approval::BestEffort, String::from("grace"));
        let approved = || Verdict::Approved { approval, approver: approver.clone(), reason: "fits".into() };
        for (now, phase) in
            [(9, wire::BurstPhase::Upcoming), (10, wire::BurstPhase::Active), (20, wire::BurstPhase::Expired)]
        {
            let (found, state) = shown(approved(), now);
            let burst = state.burst.unwrap();
            assert_eq!((found, burst.approved_by.as_str(), burst.best_effort), (phase, "grace", true));
            assert_eq!(state.decision_reason, "fits");
        }
        assert_eq!(shown(Verdict::Requested, 9).0, wire::BurstPhase::Requested);
        assert_eq!(shown(Verdict::Requested, 20).0, wire::BurstPhase::Expired);
    }

    #[test]
    fn a_burst_that_was_denied_or_revoked_says_by_whom_and_why() {
        let (by, reason) = (String::from("grace"), String::from("freeze"));
        let denied = Verdict::Denied { by: by.clone(), reason: reason.clone() };
        let revoked = Verdict::Revoked { by, reason, at: Timestamp::from_secs(15) };
        for (verdict, phase) in [(denied, wire::BurstPhase::Denied), (revoked, wire::BurstPhase::Revoked)] {
            let (found, state) = shown(verdict, 16);
            assert_eq!(found, phase);
            assert_eq!((state.decided_by.as_str(), state.decision_reason.as_str()), ("grace", "freeze"));
            assert_eq!((state.etag.as_str(), state.burst.unwrap().approved_by.as_str()), ("7", ""));
        }
    }
}
