//! Levels and how they refill.

use super::values::{level_from_wire, level_to_wire, present};
use super::{DecodeError, wire};
use weir_domain::amount::TokensPerMinute;
use weir_domain::bucket::{Plan, Segment};
use weir_domain::ledger::levels::{GuaranteeImage, LevelsImage};
use weir_domain::time::Timestamp;

pub(super) fn levels_to_wire(levels: &LevelsImage) -> wire::LevelsImage {
    let guarantee = |account: &GuaranteeImage| wire::GuaranteeImage {
        level: level_to_wire(account.level),
        plan: plan_to_wire(&account.plan),
        lending_per_minute: account.lending.map(TokensPerMinute::get),
    };
    wire::LevelsImage {
        at: levels.at.as_nanos(),
        rate_per_minute: levels.pool_rate.get(),
        depth: level_to_wire(levels.pool_depth),
        level: level_to_wire(levels.pool),
        guarantees: levels.accounts.iter().map(guarantee).collect(),
    }
}

pub(super) fn levels_from_wire(wire: &wire::LevelsImage) -> Result<LevelsImage, DecodeError> {
    let guarantee = |account: &wire::GuaranteeImage| {
        Ok(GuaranteeImage {
            level: level_from_wire(&account.level, "levels.guarantees.level")?,
            plan: plan_from_wire(&account.plan)?,
            lending: account.lending_per_minute.map(TokensPerMinute::new),
        })
    };
    Ok(LevelsImage {
        at: Timestamp::from_nanos(wire.at),
        pool_rate: TokensPerMinute::new(wire.rate_per_minute),
        pool_depth: level_from_wire(&wire.depth, "levels.depth")?,
        pool: level_from_wire(&wire.level, "levels.level")?,
        accounts: wire.guarantees.iter().map(guarantee).collect::<Result<_, DecodeError>>()?,
    })
}

pub(super) fn plan_to_wire(plan: &Plan) -> Vec<wire::PlanSegment> {
    let segment = |(place, segment): (usize, &Segment)| wire::PlanSegment {
        from: if place == 0 { 0 } else { segment.from.as_nanos() },
        rate_per_minute: segment.rate.get(),
        depth: level_to_wire(segment.depth),
    };
    plan.segments().iter().enumerate().map(segment).collect()
}

pub(super) fn plan_from_wire(wire: &[wire::PlanSegment]) -> Result<Plan, DecodeError> {
    let segments = wire.iter().map(segment_from_wire).collect::<Result<Vec<_>, _>>()?;
    let first = present(segments.first(), "plan")?;
    let later = &segments[1..];
    if !later.is_sorted_by(|one, next| one.from < next.from) {
        return Err(DecodeError::field("plan.from", "goes back in time"));
    }
    Ok(Plan::flat(first.rate, first.depth).followed_by(later.iter().copied()))
}

fn segment_from_wire(wire: &wire::PlanSegment) -> Result<Segment, DecodeError> {
    Ok(Segment {
        from: Timestamp::from_nanos(wire.from),
        rate: TokensPerMinute::new(wire.rate_per_minute),
        depth: level_from_wire(&wire.depth, "plan.depth")?,
    })
}
