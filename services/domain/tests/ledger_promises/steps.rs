//! What can happen in a random run.

use proptest::prelude::*;

/// One thing that happens. Numbers choose among what there is, modulo how much there is.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Time passes; negative if the clock steps back.
    Wait { ns: i64 },
    /// A reservation with a fresh id, perhaps minted by a clock that is off.
    ReserveFresh { service: usize, tokens: u64, minted_off_s: i64 },
    /// A reservation with an id that was used before.
    ReserveAgain { hold: usize, service: usize, tokens: u64 },
    /// A settle of an id that was used before.
    Settle { hold: usize, service: usize, used: u64 },
    /// A settle of an id that nobody has seen.
    SettleUnseen { service: usize, used: u64 },
    /// A release of an id that was used before.
    Release { hold: usize },
    /// The pool is defined, perhaps anew.
    Pool { capacity: u64 },
    /// The pool is removed.
    RemovePool,
    /// Several allocations are set at once.
    Allocations { list: Vec<(usize, u64, u64)> },
    /// An allocation is removed.
    RemoveAllocation { service: usize },
    /// A burst is granted.
    Burst { name: usize, service: usize, extra: u64, after_s: i64, lasts_s: i64 },
    /// A burst is revoked.
    Revoke { name: usize },
    /// A command that was answered long ago comes again.
    Echo { which: usize },
}

pub(crate) const SERVICES: usize = 4;
pub(crate) const BURSTS: usize = 3;

fn waits() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0_i64..2_000_000_000,
        2 => 0_i64..30_000_000_000,
        1 => Just(20 * 60 * 1_000_000_000),
        1 => -5_000_000_000_i64..0,
    ]
}

/// Any step, the likely ones more often.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let off = prop_oneof![8 => Just(0_i64), 1 => -1_000_i64..1_000];
    let allocation = (0..SERVICES, 0_u64..4_000, 1_u64..2_000);
    prop_oneof![
        6 => waits().prop_map(|ns| Step::Wait { ns }),
        10 => (0..SERVICES, 0_u64..1_200, off)
            .prop_map(|(service, tokens, minted_off_s)| Step::ReserveFresh { service, tokens, minted_off_s }),
        2 => (any::<usize>(), 0..SERVICES, 0_u64..1_200)
            .prop_map(|(hold, service, tokens)| Step::ReserveAgain { hold, service, tokens }),
        7 => (any::<usize>(), 0..SERVICES, 0_u64..2_000)
            .prop_map(|(hold, service, used)| Step::Settle { hold, service, used }),
        1 => (0..SERVICES, 0_u64..3_000).prop_map(|(service, used)| Step::SettleUnseen { service, used }),
        3 => any::<usize>().prop_map(|hold| Step::Release { hold }),
        1 => (1_000_u64..12_000).prop_map(|capacity| Step::Pool { capacity }),
        1 => prop::bool::weighted(0.1).prop_map(|remove| if remove { Step::RemovePool } else { Step::Wait { ns: 1 } }),
        3 => prop::collection::vec(allocation, 1..4).prop_map(|list| Step::Allocations { list }),
        1 => (0..SERVICES).prop_map(|service| Step::RemoveAllocation { service }),
        2 => (0..BURSTS, 0..SERVICES, 1_u64..4_000, -5_i64..60, 1_i64..60).prop_map(
            |(name, service, extra, after_s, lasts_s)| Step::Burst { name, service, extra, after_s, lasts_s }
        ),
        1 => (0..BURSTS).prop_map(|name| Step::Revoke { name }),
        3 => any::<usize>().prop_map(|which| Step::Echo { which }),
    ]
}
