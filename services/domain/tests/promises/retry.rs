//! Promise 7 at the desk: whoever comes again when told to, alone, is admitted; and whoever was told never is never.

use std::time::Duration;

use weir_domain::desk::{Desk, Reserve};
use weir_domain::ids::{ReservationId, ServiceId};
use weir_domain::ledger::{Refusal, Retry};
use weir_domain::time::Timestamp;

use crate::pool::mint;

/// Asks again at an instant, with a fresh id; `ticks` many looks of the desk in between.
///
/// A budget that is full of what is held has room when that is settled, and nobody knows when: it counts as passed, if
/// nothing is used of it by then but what is held now.
fn passes(now: &Desk, ask: &Reserve, at: Timestamp, ticks: u32) -> Result<(), Refusal> {
    let mut desk = now.clone();
    let from = desk.ledger().at();
    for tick in 1..=ticks {
        let next = from.plus(Duration::from_millis(100) * tick);
        if next < at {
            desk.advance(next);
            desk.tick();
        }
    }
    desk.advance(at);
    if ticks > 0 {
        desk.tick();
    }
    let reservation: ReservationId = mint(at, u128::from(u64::MAX));
    match desk.reserve(&Reserve { reservation, ..ask.clone() }).what {
        Err(refusal) if !is_full_of_what_is_held(now, &ask.service, &refusal) => Err(refusal),
        _ => Ok(()),
    }
}

fn is_full_of_what_is_held(now: &Desk, service: &ServiceId, refusal: &Refusal) -> bool {
    let Refusal::BudgetUsed { budget: bound, used, retry: Retry::At { .. }, .. } = refusal else {
        return false;
    };
    let account = now.ledger().account(service).expect("it has a budget");
    let state = account.budgets().iter().find(|state| state.budget.id == *bound).expect("it bound");
    state.part(account.outstanding_unlapsed()) >= *used
}

/// Whether a refusal told the truth.
pub(crate) fn check(desk: &Desk, ask: &Reserve, refusal: &Refusal) -> Result<(), String> {
    let now = desk.ledger().at();
    if let Retry::At { at, after } = refusal.retry() {
        if at <= now || after != at.since(now) {
            return Err(format!("{refusal:?} at {now} tells a time that is over"));
        }
        for ticks in [0, 15] {
            if let Err(again) = passes(desk, ask, at, ticks) {
                return Err(format!("told {at:?} at {now} by {refusal:?}, and then {again:?} ({ticks})"));
            }
        }
        return Ok(());
    }
    for after_s in [0, 3_600, 400 * 86_400] {
        let at = now.plus(Duration::from_secs(after_s));
        if refusal.retry() == Retry::Never && passes(desk, ask, at, 0).is_ok() {
            return Err(format!("told never at {now} by {refusal:?}, and passes at {at}"));
        }
    }
    Ok(())
}
