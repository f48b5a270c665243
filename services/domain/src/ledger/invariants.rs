//! The promises of a ledger, each as a function that says whether it holds.
//!
//! Property tests and simulations check all of them after every step; a running pool checks the cheap ones
//! ([`invariant_conservation`], [`invariant_levels`]) for what it has just touched. Promises that speak of a span of
//! time have a witness beside the ledger, which sees the same events and computes in its own way.

mod limits;
mod witness;

pub use limits::LimitsWitness;
pub use witness::{GuaranteeWitness, PhysicalWitness};

use crate::bucket::{Level, UNITS_PER_TOKEN};
use crate::burst::{Approval, BurstRecord};
use crate::ids::ServiceId;
use crate::ledger::levels::Place;
use crate::ledger::{Account, Event, Ledger, Quantity, Settle, fit};
use crate::time::Timestamp;

/// A promise that does not hold. Always a defect of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("promise {promise} is broken: {what}")]
pub struct Violation {
    /// Which promise.
    pub promise: &'static str,
    /// How it is broken.
    pub what: String,
}

fn promise(name: &'static str, holds: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { promise: name, what: what() }) }
}

/// Guarantees fit the pool, now and at every instant to come.
pub fn invariant_fit(ledger: &Ledger) -> Result<(), Violation> {
    let short = fit::shortage(ledger.terms(), ledger.at());
    promise("fit", short.is_none(), || format!("{short:?}"))
}

/// No bucket is above its depth. Cheap: looks at the pool and one account.
pub fn invariant_levels(ledger: &Ledger, place: Place) -> Result<(), Violation> {
    let (levels, now) = (ledger.levels(), ledger.at());
    let (level, depth) = (levels.pool(), levels.pool_depth());
    promise("physical", level <= depth, || format!("the pool holds {level:?} of {depth:?}"))?;
    let account = ledger.account_at(place);
    let (level, depth) = (levels.guarantee(place), levels.plan(place).at(now).depth);
    promise("physical", level <= depth, || format!("{} holds {level:?} of {depth:?}", account.service()))?;
    let (level, depth) = (account.borrow_level_at(now), account.borrow_plan().at(now).depth);
    promise("limits", level <= depth, || format!("{} may borrow {level:?} of {depth:?}", account.service()))
}

/// What the levels keep of all guarantees together is what they sum up to. Costs a look at every account.
pub fn invariant_sum(ledger: &Ledger) -> Result<(), Violation> {
    let levels = ledger.levels();
    let sum = ledger
        .accounts()
        .filter_map(|account| ledger.place(account.service()))
        .map(|place| levels.guarantee(place).max(Level::ZERO))
        .fold(Level::ZERO, Level::plus);
    promise("physical", sum == levels.guaranteed(), || {
        format!("{:?} instead of {sum:?}", levels.guaranteed())
    })
}

/// Promise 3: a guarantee's rate is its baseline and exactly those guaranteed bursts whose window holds the instant; and so
/// for what may be borrowed, with bursts of best effort.
pub fn invariant_time_box(ledger: &Ledger, service: &ServiceId, at: Timestamp) -> Result<(), Violation> {
    let (Some(place), Some(account)) = (ledger.place(service), ledger.account(service)) else {
        return Ok(());
    };
    let (mut baseline, mut ceiling) =
        account.terms().map(|terms| (terms.baseline, terms.ceiling)).unwrap_or_default();
    if let Some(lapse) = account.terms().and_then(|terms| terms.lapse).filter(|lapse| lapse.at <= at) {
        (baseline, ceiling) = (baseline.min(lapse.to), ceiling.min(lapse.to));
    }
    let (mut guaranteed, mut borrowed) = (baseline, ceiling.saturating_sub(baseline));
    let counts = |record: &&BurstRecord| record.burst.service == *service && record.burst.window.contains(at);
    for record in ledger.terms().bursts().values().filter(counts) {
        match record.approval() {
            Some(Approval::Guaranteed) => guaranteed += record.burst.extra,
            Some(Approval::BestEffort) => borrowed += record.burst.extra,
            None => {}
        }
    }
    let rate = ledger.levels().plan(place).at(at).rate;
    promise("time box", rate == guaranteed, || format!("{service} has {rate}, not {guaranteed}, at {at}"))?;
    let rate = account.borrow_plan().at(at).rate;
    promise("time box", rate == borrowed, || format!("{service} may borrow {rate}, not {borrowed}, at {at}"))
}

/// Promise 5: what was drawn is settled, outstanding, returned or lapsed, to the token. Cheap.
pub fn invariant_conservation(account: &Account) -> Result<(), Violation> {
    let totals = account.totals();
    let taken = totals.drawn + totals.overdrawn;
    let found = totals.settled + totals.outstanding + totals.returned + totals.lapsed;
    promise("conservation", totals.forgiven <= totals.overdrawn, || {
        format!("{}: more is forgiven than was owed: {totals:?}", account.service())
    })?;
    promise("conservation", taken == found, || format!("{}: {totals:?}", account.service()))
}

/// Promise 5, further: what accounts have outstanding is what their slices have.
pub fn invariant_outstanding(ledger: &Ledger) -> Result<(), Violation> {
    let mut sums = vec![Quantity::ZERO; ledger.accounts().len()];
    for (_, slice) in ledger.slices() {
        let sum = &mut sums[slice.place().index()];
        *sum = sum.plus(slice.outstanding());
    }
    for (account, sum) in ledger.accounts().zip(sums) {
        let right = account.outstanding() == sum && account.totals().outstanding == sum.tokens;
        promise("conservation", right, || format!("{}: {sum:?} in slices, {account:?}", account.service()))?;
    }
    Ok(())
}

/// Promise 6: a ledger rebuilt from its events is the ledger, at the ledger's own time.
pub fn invariant_replay<'a>(
    ledger: &Ledger,
    events: impl IntoIterator<Item = &'a Event>,
) -> Result<(), Violation> {
    let mut rebuilt = Ledger::default();
    for event in events {
        rebuilt.evolve(event);
    }
    rebuilt.advance(ledger.at());
    promise("replay", rebuilt == *ledger, || format!("rebuilt {rebuilt:?}\nlive {ledger:?}"))
}

/// Promise 6, further: so is one that went through a snapshot.
pub fn invariant_snapshot(ledger: &Ledger) -> Result<(), Violation> {
    let copy = Ledger::from_image(ledger.image());
    promise("replay", copy == *ledger, || format!("from its image {copy:?}\nlive {ledger:?}"))
}

/// Promise 8, for the ledger's part: a hold that is settled is not settled again.
pub fn invariant_settled_once(ledger: &Ledger, settled: &Settle) -> Result<(), Violation> {
    let again = ledger.settle(settled, None, true);
    promise("idempotence", again.is_none(), || format!("{settled:?} again: {again:?}"))
}

fn tokens_of(level: Level) -> i128 {
    level.units() / UNITS_PER_TOKEN
}
