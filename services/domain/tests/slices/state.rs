//! A state: a desk, its journal, what is being appended, and what callers know.

use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use weir_domain::amount::{Money, Tokens, TokensPerMinute};
use weir_domain::authorship::Authorship;
use weir_domain::desk::{Desk, Mark};
use weir_domain::ids::{HoldId, NodeId, PoolId, ReservationId, ServiceId, SliceId};
use weir_domain::ledger::{Change, Event, Ledger, Quantity};
use weir_domain::policy::{Pool, Terms, Thresholds};
use weir_domain::time::Timestamp;

/// Callers who ask the node, and the two whom the gateway serves from its slice.
pub(crate) const CALLERS: usize = 2;
pub(crate) const SERVED: usize = 2;

/// So slow that a step of time brings a token at most.
pub(crate) const BASELINE: TokensPerMinute = TokensPerMinute::new(6);

/// What a caller does, or did last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Idle,
    /// It was asked for; perhaps admitted, with an answer that waits for the journal.
    Asked {
        reservation: ReservationId,
        tokens: Tokens,
        waiting: Option<(HoldId, Mark)>,
    },
    Held(HoldId),
    /// It has ended; so much was used. Settled, unless it waits for the journal or nobody answered.
    Ended {
        hold: HoldId,
        used: Tokens,
        after: Option<Mark>,
        acknowledged: bool,
    },
}

/// The slice that the gateway holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Local {
    None,
    /// Drawn, with an answer that waits for the journal.
    Asked {
        slice: SliceId,
        tokens: Tokens,
        after: Mark,
    },
    Held {
        slice: SliceId,
        free: Tokens,
        /// What acknowledged settles have left.
        rest: Tokens,
        holds: u32,
    },
    /// It went back, or nobody knows.
    Returned(weir_domain::ledger::Seal),
}

/// A settle or a release that the ledger has made so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Charged {
    pub(crate) hold: HoldId,
    pub(crate) used: Tokens,
    /// It is in the journal when this is recorded; none if it is there.
    pub(crate) after: Option<Mark>,
}

#[derive(Clone)]
pub(crate) struct State {
    pub(crate) desk: Desk,
    /// What was decided, as a ledger; and what is in the journal since.
    pub(crate) begun: Rc<Ledger>,
    pub(crate) journal: Rc<Vec<Event>>,
    pub(crate) in_flight: Option<(Mark, Rc<Vec<Event>>)>,
    pub(crate) now: Timestamp,
    /// How far time has moved.
    pub(crate) waited: Duration,
    pub(crate) crashes: u8,
    pub(crate) calls: [Call; CALLERS + SERVED],
    pub(crate) local: Local,
    pub(crate) charged: Vec<Charged>,
    /// What callers used within holds, of calls that were acknowledged and followed by others.
    pub(crate) spent: Tokens,
    pub(crate) minted: u128,
    /// Asked for in this second, and in the one before: what the desk draws ahead of.
    pub(crate) demand: (Tokens, Tokens),
    /// Of the ledger when what is in the journal, and what is being appended, was taken.
    pub(crate) fingerprints: (u64, u64),
}

pub(crate) const BEGIN: Timestamp = Timestamp::from_secs(1_750_000_000);

pub(crate) static SERVICE: LazyLock<ServiceId> = LazyLock::new(|| ServiceId::try_new("chat").unwrap());
pub(crate) static NODE: LazyLock<NodeId> = LazyLock::new(|| NodeId::try_new("gateway-1").unwrap());

pub(crate) fn quantity(tokens: Tokens) -> Quantity {
    Quantity { tokens, money: Money::ZERO }
}

impl State {
    /// An allocation that has so many tokens and may not borrow.
    pub(crate) fn begin(tokens: u64) -> Self {
        let mut desk = Desk::new(Ledger::default(), BEGIN);
        let none = Thresholds { critical_percent: 0, standard_percent: 0, batch_percent: 0 };
        let pool = Pool {
            id: PoolId::try_new("gpt").unwrap(),
            capacity: TokensPerMinute::new(60),
            requests: None,
            thresholds: none,
            models: vec![],
            deployments: vec![],
        };
        let terms = Terms::guarantee(BASELINE, Tokens::new(tokens));
        let set = Change::SetAllocation { service: SERVICE.clone(), terms };
        let by = Authorship { author: "walk".into(), reason: "test".into(), at: BEGIN, commit: None };
        desk.change(&by, &[Change::DefinePool(pool), set], None).what.unwrap();
        let mut decided = Vec::new();
        let mark = desk.take_events(&mut decided).unwrap();
        desk.recorded(mark);
        let mut begun = Ledger::default();
        for event in &decided {
            begun.evolve(event);
        }
        Self {
            desk,
            begun: Rc::new(begun),
            journal: Rc::default(),
            in_flight: None,
            now: BEGIN,
            waited: Duration::ZERO,
            crashes: 0,
            calls: [Call::Idle; CALLERS + SERVED],
            local: Local::None,
            charged: Vec::new(),
            spent: Tokens::ZERO,
            minted: 0,
            demand: (Tokens::ZERO, Tokens::ZERO),
            fingerprints: (0, 0),
        }
    }

    pub(crate) fn charge_of(&self, hold: HoldId) -> Option<&Charged> {
        self.charged.iter().find(|charged| charged.hold == hold)
    }
}
