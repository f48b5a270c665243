//! The quota ledger of one pool: who may take how many tokens now, and who took them.
//!
//! Questions ([`Ledger::draw`], [`Ledger::settle`], [`decide_change`]) are answered with events or a refusal and change
//! nothing; [`Ledger::evolve`] makes an event so and cannot fail. Time and ids are arguments: [`Ledger::advance`] says how
//! late it is. The same events in the same order give the same ledger.
//!
//! A pool has a bucket that refills at its capacity. Every allocation has a guaranteed bucket of its own, and all guarantees
//! together always fit the pool; what a guarantee does not cover may be borrowed from what the pool has beyond all of them.
//! Tokens are drawn in slices, which [`crate::desk`] hands out as holds.

mod account;
mod asked;
mod change;
mod change_refused;
mod command;
mod debt;
mod draw;
mod event;
mod evolve;
mod fit;
mod image;
pub mod invariants;
pub mod levels;
mod limit;
mod refusal;
mod replan;
mod retry;
mod settle;
mod slice;
mod state;
mod strangers;
mod terms;
mod weigh;

pub use account::{Account, Totals};
pub use change::decide_change;
pub use change_refused::ChangeRefused;
pub use command::{Change, Draw, Holder, Quantity, Seal, Settle};
pub use draw::DrawDecided;
pub use event::{Drawn, Event, Governed, Moved, Movement, TermsChanged};
pub use fit::{Shortage, shortage};
pub use image::{AccountImage, LedgerImage, SliceImage};
pub use limit::Limit;
pub use refusal::{Bound, CapacityUsed, Refusal, Retry};
pub use slice::{HOLDS_PER_SLICE, Slice, SliceState};
pub use state::{LAPSED_MAX, Ledger, Settlement};
pub use strangers::{STRANGERS, STRANGERS_MAX};
pub use terms::{BURSTS_KEPT_MAX, BURSTS_OPEN_MAX, GUARANTEE_WINDOW, POOL_WINDOW, PoolTerms};
pub use weigh::RoomToBorrow;
