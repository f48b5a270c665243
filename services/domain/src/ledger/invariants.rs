//! The promises of a ledger, each as a function that says whether it holds.
//!
//! Property tests check all of them after every step; a running pool checks the cheap ones
//! ([`invariant_conservation`], [`invariant_levels`]) for what it has just touched. Promises that speak of a span of
//! time have a witness beside the ledger, which sees the same events and computes in its own way.

mod witness;

pub use witness::{GuaranteeWitness, PhysicalWitness};

use crate::amount::Tokens;
use crate::bucket::{Level, UNITS_PER_TOKEN};
use crate::ids::{HoldId, ServiceId};
use crate::ledger::{Account, Command, Event, Ledger, Refusal, Reserve, decide, fit};
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
pub fn invariant_fit(ledger: &Ledger, now: Timestamp) -> Result<(), Violation> {
    let short = fit::shortage(ledger.terms(), ledger.time(now));
    promise("fit", short.is_none(), || format!("{short:?}"))
}

/// No bucket is above its depth. Cheap: looks at the pool and one account.
pub fn invariant_levels(ledger: &Ledger, service: &ServiceId, now: Timestamp) -> Result<(), Violation> {
    let now = ledger.time(now);
    let (level, depth) = (ledger.pool_level_at(now), ledger.plan().at(now).depth);
    promise("physical", level <= depth, || format!("pool holds {level:?} of {depth:?}"))?;
    let Some(account) = ledger.account(service) else { return Ok(()) };
    let (level, depth) = (account.level_at(now), account.plan().at(now).depth);
    promise("physical", level <= depth, || format!("{service} holds {level:?} of {depth:?}"))
}

/// Promise 3: a guarantee's rate is its baseline and exactly those bursts whose window holds the instant.
pub fn invariant_time_box(ledger: &Ledger, service: &ServiceId, at: Timestamp) -> Result<(), Violation> {
    let Some(account) = ledger.account(service) else { return Ok(()) };
    let baseline = account.terms().map(|terms| terms.baseline).unwrap_or_default();
    let bursts = ledger.terms().bursts_of(service).filter(|burst| burst.window.contains(at));
    let entitled = bursts.fold(baseline, |sum, burst| sum + burst.extra);
    let rate = account.plan().at(at).rate;
    promise("time box", rate == entitled, || format!("{service} has {rate} instead of {entitled} at {at}"))
}

/// Promise 5: what was drawn is settled, held or returned, to the token. Cheap.
pub fn invariant_conservation(service: &ServiceId, account: &Account) -> Result<(), Violation> {
    let totals = account.totals();
    let taken = totals.drawn + totals.overdrawn;
    let found = totals.settled + totals.held + totals.returned;
    promise("conservation", taken == found, || format!("{service}: {totals:?}"))
}

/// Promise 5, further: what accounts say is held is what their holds say.
pub fn invariant_held(ledger: &Ledger) -> Result<(), Violation> {
    for (service, account) in ledger.accounts() {
        let holds = ledger.holds().iter().filter(|(_, hold)| hold.service == *service);
        let (count, tokens) =
            holds.fold((0, Tokens::ZERO), |(count, sum), (_, hold)| (count + 1, sum + hold.tokens));
        let right = account.holds() == count && account.totals().held == tokens;
        promise("conservation", right, || format!("{service} has {count} holds of {tokens}: {account:?}"))?;
    }
    Ok(())
}

/// Promise 6: a ledger rebuilt from its events is the ledger.
pub fn invariant_replay<'a>(
    ledger: &Ledger,
    events: impl IntoIterator<Item = &'a Event>,
) -> Result<(), Violation> {
    let mut rebuilt = Ledger::default();
    for event in events {
        rebuilt.evolve(event);
    }
    promise("replay", rebuilt == *ledger, || format!("rebuilt {rebuilt:?}\nlive {ledger:?}"))
}

/// Promise 7: if nothing else arrives, the same request passes at the instant it was told, and not a nanosecond before;
/// if it was told never, it does not pass at any edge to come, nor long after.
///
/// `fresh` mints an unused hold id at an instant, because a client that asks again asks with a new one.
pub fn invariant_truthful_retry(
    ledger: &Ledger,
    asked: &Reserve,
    refusal: &Refusal,
    now: Timestamp,
    fresh: impl Fn(Timestamp) -> HoldId,
) -> Result<(), Violation> {
    let now = ledger.time(now);
    let passes = |at: Timestamp| {
        let again = Reserve { hold: fresh(at), ..asked.clone() };
        decide(ledger, &Command::Reserve(again), at).is_ok()
    };
    if matches!(refusal, Refusal::HoldIdStale { .. } | Refusal::HoldOfAnother { .. }) {
        return Ok(());
    }
    if let Some(retry) = refusal.retry() {
        let told = || format!("{refusal} at {now}, told {}", retry.at);
        let before = Timestamp::from_nanos(retry.at.as_nanos() - 1);
        promise("truthful retry", retry.at > now && retry.after == retry.at.since(now), told)?;
        promise("truthful retry", passes(retry.at), told)?;
        return promise("truthful retry", before < now || !passes(before), told);
    }
    let bursts = ledger.terms().bursts_of(&asked.service);
    let edges = bursts.flat_map(|burst| [burst.window.end().minus(NANO), burst.window.end()]);
    let later = [now, now.plus(LONG)].into_iter().chain(edges.filter(|edge| *edge >= now));
    for at in later {
        promise("truthful retry", !passes(at), || format!("{refusal} at {now}, told never, passes at {at}"))?;
    }
    Ok(())
}

const NANO: std::time::Duration = std::time::Duration::from_nanos(1);
/// Longer than any debt of a test takes to refill.
const LONG: std::time::Duration = std::time::Duration::from_hours(10 * 365 * 24);

/// Promise 8: a command that was answered changes nothing when it comes again.
pub fn invariant_idempotence(ledger: &Ledger, answered: &Command, now: Timestamp) -> Result<(), Violation> {
    let again = decide(ledger, answered, now);
    let nothing = matches!(&again, Ok(events) if events.is_empty());
    promise("idempotence", nothing, || format!("{answered:?} again: {again:?}"))
}

/// Promise 9: settle is never refused.
pub fn invariant_settle_never_refused(
    command: &Command,
    answer: &Result<Vec<Event>, Refusal>,
) -> Result<(), Violation> {
    let settles = matches!(command, Command::Settle(_) | Command::Release(_));
    promise("settle", !settles || answer.is_ok(), || format!("{command:?}: {answer:?}"))
}

fn tokens_of(level: Level) -> i128 {
    level.units() / UNITS_PER_TOKEN
}
