//! What a pool answers.

use crate::authorship::Authorship;
use crate::bucket::Level;
use crate::ids::{HoldId, ServiceId};
use crate::ledger::holds::{Known, minted};
use crate::ledger::{
    Account, Change, Command, Ending, Event, FINISHED_RETENTION, Governed, HOLDS_MAX, Ledger, Moved,
    Movement, Refusal, Release, Reserve, Retry, Settle, fit,
};
use crate::time::Timestamp;

/// Answers a command: events that make it so, none if it is so already, or a refusal.
///
/// Settle and release are never refused. Time inside is never before the last event.
pub fn decide(ledger: &Ledger, command: &Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    let now = ledger.time(now);
    match command {
        Command::Reserve(command) => reserve(ledger, command, now),
        Command::Settle(command) => Ok(settle(ledger, command, now)),
        Command::Release(command) => Ok(release(ledger, command, now)),
        Command::Change { by, changes } => change(ledger, by, changes, now),
    }
}

fn reserve(ledger: &Ledger, command: &Reserve, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    let stale = Refusal::HoldIdStale { hold: command.hold };
    match ledger.holds.known(command.hold, now) {
        Known::Outstanding(hold) if hold.service != command.service => {
            return Err(Refusal::HoldOfAnother { hold: command.hold });
        }
        Known::Outstanding(_) | Known::Finished(_) => return Ok(Vec::new()),
        Known::Stale => return Err(stale),
        Known::Unseen if minted(command.hold) > now.plus(FINISHED_RETENTION) => return Err(stale),
        Known::Unseen => {}
    }
    admit(ledger, command, now)?;
    Ok(moved(now, command.hold, &command.service, Moved::Held { tokens: command.tokens }))
}

fn admit(ledger: &Ledger, command: &Reserve, now: Timestamp) -> Result<(), Refusal> {
    let account = ledger.accounts.get(&command.service).ok_or(Refusal::NoAllocation)?;
    let terms = account.terms.ok_or(Refusal::NoAllocation)?;
    if command.tokens > terms.request_max {
        return Err(Refusal::RequestTooLarge { asked: command.tokens, request_max: terms.request_max });
    }
    let outstanding = ledger.holds.outstanding();
    if outstanding >= HOLDS_MAX {
        return Err(Refusal::HoldsFull { outstanding });
    }
    let level = account.level_at(now);
    if level < Level::from_tokens(command.tokens) {
        return Err(baseline_used(account, command, level, now));
    }
    Ok(())
}

fn baseline_used(account: &Account, command: &Reserve, level: Level, now: Timestamp) -> Refusal {
    let need = Level::from_tokens(command.tokens);
    let retry = account.guarantee.first_at_least(&account.plan, need, now);
    Refusal::BaselineUsed {
        asked: command.tokens,
        available: level.available(),
        debt: level.debt(),
        rate: account.plan.at(now).rate,
        retry: retry.map(|at| Retry { at, after: at.since(now) }),
    }
}

fn settle(ledger: &Ledger, command: &Settle, now: Timestamp) -> Vec<Event> {
    let used = command.used;
    match ledger.holds.known(command.hold, now) {
        Known::Outstanding(hold) => {
            let held = Some(hold.tokens);
            moved(now, command.hold, &hold.service, Moved::Settled { used, held })
        }
        Known::Finished(Ending::Settled) | Known::Stale => Vec::new(),
        Known::Finished(Ending::Released) | Known::Unseen => {
            moved(now, command.hold, &command.service, Moved::Settled { used, held: None })
        }
    }
}

fn release(ledger: &Ledger, command: &Release, now: Timestamp) -> Vec<Event> {
    match ledger.holds.known(command.hold, now) {
        Known::Outstanding(hold) => {
            let held = Some(hold.tokens);
            moved(now, command.hold, &hold.service, Moved::Released { held })
        }
        Known::Finished(_) | Known::Stale => Vec::new(),
        // Its reservation may still be under way; it must not hold anything when it comes.
        Known::Unseen => moved(now, command.hold, &command.service, Moved::Released { held: None }),
    }
}

fn moved(at: Timestamp, hold: HoldId, service: &ServiceId, what: Moved) -> Vec<Event> {
    vec![Event::Moved(Movement { at, hold, service: service.clone(), what })]
}

fn change(
    ledger: &Ledger,
    by: &Authorship,
    changes: &[Change],
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let by = Authorship { at: now, ..by.clone() };
    let mut terms = ledger.terms.clone();
    let mut events = Vec::new();
    for change in changes {
        match change {
            Change::SetAllocation { .. } if terms.pool().is_none() => return Err(Refusal::NoPool),
            Change::GrantBurst(burst) if !terms.allocations().contains_key(&burst.service) => {
                return Err(Refusal::BurstWithoutAllocation);
            }
            _ => {}
        }
        if let Some(what) = terms.difference(change) {
            terms.evolve(&what);
            events.push(Event::Governed(Governed { by: by.clone(), what }));
        }
    }
    if terms == ledger.terms {
        return Ok(Vec::new());
    }
    fit::shortage(&terms, now).map_or(Ok(events), |shortage| Err(Refusal::DoesNotFit(shortage)))
}
