//! What gateways and quota nodes say to each other.

use weir_domain::amount::Tokens;
use weir_domain::desk::{Decision, NodeSlice, Release};
use weir_domain::ids::{HoldId, ReservationId, ServiceId, SliceId};
use weir_domain::ledger::{Refusal, Seal};

/// What a gateway asks.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Reserve {
        reservation: ReservationId,
        service: ServiceId,
        tokens: Tokens,
    },
    Settle {
        hold: HoldId,
        service: ServiceId,
        used: Tokens,
    },
    Release {
        what: Release,
        service: ServiceId,
    },
    Extend {
        hold: HoldId,
        service: ServiceId,
    },
    /// A slice.
    Draw {
        reservation: ReservationId,
        service: ServiceId,
        need: Tokens,
        ahead: Tokens,
    },
    Return(Seal),
}

/// What a quota node answers.
#[derive(Debug, Clone)]
pub(crate) enum Tell {
    Decided { reservation: ReservationId, decision: Decision },
    Settled(HoldId),
    Released,
    Extended,
    Drawn { reservation: ReservationId, drawn: Result<NodeSlice, Refusal> },
    Returned(SliceId),
    Undecided,
}
