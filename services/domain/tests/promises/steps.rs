//! What can happen in a random run. Numbers choose among what there is, modulo how much there is.

use proptest::prelude::*;

/// One thing that happens to a pool.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Time passes; negative if the clock steps back.
    Wait {
        ns: i64,
    },
    /// The desk looks after its slices.
    Tick,
    /// What waits for the journal is appended.
    Append,
    /// The node is killed; what was not appended is lost.
    Crash,
    /// A reservation with a fresh id, perhaps minted by a clock that is off.
    Reserve {
        service: usize,
        tokens: u64,
        off_s: i64,
    },
    /// A reservation that was made before, perhaps with another size.
    ReserveAgain {
        which: usize,
        tokens: Option<u64>,
    },
    /// A hold is settled.
    Settle {
        which: usize,
        used: u64,
    },
    /// A hold is settled that was settled before.
    SettleAgain {
        which: usize,
        used: u64,
    },
    /// A gateway settles what it admitted on its own.
    SettleSelfGranted {
        service: usize,
        held: u64,
        used: u64,
    },
    /// A hold is given back.
    Release {
        which: usize,
    },
    /// A hold is kept alive.
    Extend {
        which: usize,
    },
    /// A node declares a hold again.
    Redeclare {
        which: usize,
    },
    /// A node draws a slice.
    NodeDraw {
        service: usize,
        tokens: u64,
    },
    /// A node hands something out and returns the rest.
    NodeReturn {
        which: usize,
        handed: u64,
    },
    /// The pool is defined anew.
    DefinePool {
        capacity: u64,
    },
    /// Allocations are set.
    Allocate {
        list: Vec<(usize, Allocate)>,
    },
    /// An allocation is removed.
    Remove {
        service: usize,
    },
    Forgive {
        service: usize,
    },
    /// A burst is asked for.
    Request {
        name: usize,
        service: usize,
        extra: u64,
        after_s: i64,
        lasts_s: i64,
    },
    /// Something is decided about a burst.
    Decide {
        name: usize,
        what: Verdict,
    },
}

/// An allocation's terms, roughly.
#[derive(Debug, Clone)]
pub(crate) struct Allocate {
    pub(crate) baseline: u64,
    pub(crate) above: u64,
    pub(crate) lending: Option<u64>,
    pub(crate) request_max: u64,
    pub(crate) requests: Option<u64>,
    pub(crate) in_flight_max: Option<u32>,
    pub(crate) priority: usize,
    pub(crate) shadow: bool,
    pub(crate) budget: Option<(u64, bool)>,
    pub(crate) lapse_s: Option<(i64, u64)>,
}

/// What is decided about a burst.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    Approve { best_effort: bool },
    Deny,
    Revoke,
    Extend { by_s: i64 },
}

/// Services that steps ask for most; the rest of the hundreds stand by.
pub(crate) const BUSY: usize = 6;
pub(crate) const SERVICES: usize = 120;
pub(crate) const BURSTS: usize = 4;

fn waits() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 0_i64..1_000_000_000,
        3 => 0_i64..20_000_000_000,
        1 => Just(20 * 60 * 1_000_000_000),
        1 => Just(26 * 3_600 * 1_000_000_000),
        1 => -5_000_000_000_i64..0,
    ]
}

/// Mostly about what was held, and now and then far more.
fn used() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0_u64..500, 1 => 0_u64..12_000]
}

fn service() -> impl Strategy<Value = usize> {
    prop_oneof![20 => 0..BUSY, 1 => 0..SERVICES]
}

fn allocate() -> impl Strategy<Value = Allocate> {
    let rates = (0_u64..3_000, prop_oneof![Just(0_u64), 0_u64..6_000], prop::option::of(0_u64..1_000));
    let limits = (
        200_u64..1_500,
        prop::option::weighted(0.2, 1_u64..600),
        prop::option::weighted(0.2, 1_u32..20),
        0_usize..3,
    );
    let more = (
        prop::bool::weighted(0.1),
        prop::option::weighted(0.4, (1_u64..4_000, any::<bool>())),
        prop::option::weighted(0.1, (1_i64..100, 0_u64..500)),
    );
    (rates, limits, more).prop_map(|((baseline, above, lending), limits, (shadow, budget, lapse_s))| {
        let (request_max, requests, in_flight_max, priority) = limits;
        Allocate {
            baseline,
            above,
            lending: lending.map(|rate| rate.min(baseline)),
            request_max,
            requests,
            in_flight_max,
            priority,
            shadow,
            budget,
            lapse_s,
        }
    })
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        3 => any::<bool>().prop_map(|best_effort| Verdict::Approve { best_effort }),
        1 => Just(Verdict::Deny),
        1 => Just(Verdict::Revoke),
        1 => (-10_i64..60).prop_map(|by_s| Verdict::Extend { by_s }),
    ]
}

/// Any step, the likely ones more often.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![10 => calls(), 6 => journal(), 2 => nodes(), 1 => governance()]
}

fn calls() -> impl Strategy<Value = Step> {
    let off = prop_oneof![12 => Just(0_i64), 1 => -1_000_i64..1_000];
    prop_oneof![
        12 => (service(), 0_u64..400, off)
            .prop_map(|(service, tokens, off_s)| Step::Reserve { service, tokens, off_s }),
        2 => (any::<usize>(), prop::option::weighted(0.2, 0_u64..900))
            .prop_map(|(which, tokens)| Step::ReserveAgain { which, tokens }),
        9 => (any::<usize>(), used()).prop_map(|(which, used)| Step::Settle { which, used }),
        2 => (any::<usize>(), 0_u64..1_200).prop_map(|(which, used)| Step::SettleAgain { which, used }),
        2 => any::<usize>().prop_map(|which| Step::Release { which }),
        1 => any::<usize>().prop_map(|which| Step::Extend { which }),
    ]
}

fn journal() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => waits().prop_map(|ns| Step::Wait { ns }),
        6 => Just(Step::Tick),
        8 => Just(Step::Append),
        1 => Just(Step::Crash),
    ]
}

fn nodes() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (service(), 0_u64..900).prop_map(|(service, tokens)| Step::NodeDraw { service, tokens }),
        3 => (any::<usize>(), 0_u64..900).prop_map(|(which, handed)| Step::NodeReturn { which, handed }),
        1 => any::<usize>().prop_map(|which| Step::Redeclare { which }),
        1 => (service(), 0_u64..500, 0_u64..700)
            .prop_map(|(service, held, used)| Step::SettleSelfGranted { service, held, used }),
    ]
}

fn governance() -> impl Strategy<Value = Step> {
    let burst = (0..BURSTS, service(), 1_u64..4_000, -5_i64..60, 1_i64..60);
    prop_oneof![
        1 => (10_000_u64..20_000).prop_map(|capacity| Step::DefinePool { capacity }),
        4 => prop::collection::vec((service(), allocate()), 1..4).prop_map(|list| Step::Allocate { list }),
        1 => service().prop_map(|service| Step::Remove { service }),
        1 => service().prop_map(|service| Step::Forgive { service }),
        2 => burst.prop_map(|(name, service, extra, after_s, lasts_s)| {
            Step::Request { name, service, extra, after_s, lasts_s }
        }),
        3 => (0..BURSTS, verdict()).prop_map(|(name, what)| Step::Decide { name, what }),
    ]
}
