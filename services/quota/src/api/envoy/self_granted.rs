//! Holds for what was used without one: the ledger charges them in full, as debt, once each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use weir_domain::amount::Tokens;
use weir_domain::ids::{HoldId, PoolId, ServiceId, SliceId};
use weir_domain::ledger::HOLDS_PER_SLICE;
use weir_domain::time::Timestamp;

/// How far the names of two slices are apart: as far as they can be told apart.
const SLICE_STEP: Duration = Duration::from_millis(1);

/// Slices that this service grants itself: one for each service of a pool at a time, because the ledger remembers a bounded
/// number of them. Told from those of gateways, and of an earlier run, by a random part.
#[derive(Debug, Default)]
pub(super) struct SelfGranted(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    slices: HashMap<(PoolId, ServiceId), (SliceId, u32)>,
    /// The instant that the last slice is named for.
    last: Option<Timestamp>,
}

impl SelfGranted {
    /// A hold of nothing that was never named before.
    pub(super) fn hold(&self, pool: &PoolId, service: &ServiceId, now: Timestamp) -> HoldId {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { slices, last } = &mut *state;
        let mut next_slice = || {
            let at = last.map_or(now, |last| now.max(last.plus(SLICE_STEP)));
            *last = Some(at);
            SliceId::self_granted(random(), at)
        };
        let key = (pool.clone(), service.clone());
        let (slice, holds) = slices.entry(key).or_insert_with(|| (next_slice(), 0));
        if *holds == HOLDS_PER_SLICE {
            (*slice, *holds) = (next_slice(), 0);
        }
        let hold = HoldId::try_pack(*slice, *holds, Tokens::ZERO);
        *holds += 1;
        hold.expect("a slice's holds are fewer than their numbers have room for")
    }
}

/// Bits that nobody else has.
fn random() -> u32 {
    let bits = weir_runtime::ids::reservation_id().as_u128() & u128::from(u32::MAX);
    u32::try_from(bits).expect("the mask leaves 32 bits")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_hold_is_named_twice_and_few_slices_are_needed() {
        let (granted, now) = (SelfGranted::default(), Timestamp::from_secs(1_750_000_000));
        let pool: PoolId = "gpt".parse().unwrap();
        let services = ["chat", "search"].map(|name| name.parse::<ServiceId>().unwrap());
        let holds: Vec<_> =
            (0..10_000).map(|number| granted.hold(&pool, &services[number % 2], now)).collect();
        assert_eq!(holds.iter().collect::<HashSet<_>>().len(), 10_000);
        let slices: HashSet<_> = holds.iter().map(|hold| hold.slice()).collect();
        assert_eq!(slices.len(), 4, "5,000 holds of each service are two slices");
        assert!(holds.iter().all(|hold| hold.slice().is_self_granted() && hold.number() < HOLDS_PER_SLICE));
    }
}
