//! What the callers of a run know: their holds, what they settled, and what was acknowledged.

use std::collections::HashMap;

use weir_domain::amount::Tokens;
use weir_domain::desk::Mark;
use weir_domain::ids::{HoldId, ReservationId, ServiceId, SliceId};

/// A hold as its caller knows it.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) hold: HoldId,
    pub(crate) service: ServiceId,
    /// What was used, once it is settled.
    pub(crate) used: Option<Tokens>,
}

/// A settle that is not acknowledged yet.
#[derive(Debug, Clone)]
pub(crate) struct Unacknowledged {
    pub(crate) hold: HoldId,
    pub(crate) service: ServiceId,
    pub(crate) used: Tokens,
    pub(crate) after: Mark,
}

/// Everything that callers of one pool know.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    /// Reservations that were made, with their size.
    pub(crate) reserved: Vec<(ReservationId, ServiceId, Tokens)>,
    /// Admitted, but nobody may know yet.
    pub(crate) waiting: Vec<(Held, Mark)>,
    pub(crate) held: Vec<Held>,
    pub(crate) unacknowledged: Vec<Unacknowledged>,
    /// Slices that nodes have: service, what is left, holds handed out.
    pub(crate) slices: Vec<(SliceId, ServiceId, Tokens, u32)>,
    pub(crate) waiting_slices: Vec<(SliceId, ServiceId, Tokens, Mark)>,
    /// What was settled first for each hold, acknowledged or not.
    pub(crate) charged: HashMap<HoldId, (ServiceId, Tokens)>,
}

impl Clients {
    /// What is recorded may be known.
    pub(crate) fn learn(&mut self, recorded: impl Fn(Mark) -> bool) {
        let (known, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(_, after)| recorded(*after));
        self.held.extend(known.into_iter().map(|(held, _)| held));
        self.waiting = waiting;
        let (known, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting_slices).into_iter().partition(|(.., after)| recorded(*after));
        self.slices.extend(known.into_iter().map(|(slice, service, tokens, _)| (slice, service, tokens, 0)));
        self.waiting_slices = waiting;
        self.unacknowledged.retain(|settle| !recorded(settle.after));
    }

    /// The node is gone, and with it every answer that was held back.
    pub(crate) fn forget_unanswered(&mut self) {
        self.waiting.clear();
        self.waiting_slices.clear();
    }

    /// What a service was charged, by what its callers settled.
    pub(crate) fn charged_to(&self, service: &ServiceId) -> Tokens {
        self.charged.values().filter(|(charged, _)| charged == service).map(|(_, used)| *used).sum()
    }
}
