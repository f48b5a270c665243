//! The quota ledger of one pool: who may take how many tokens now, and who took them.
//!
//! [`decide`] answers a command with events or a refusal, [`Ledger::evolve`] makes an event so and cannot fail.
//! Time and ids are arguments. Whoever runs it appends the events to the journal before it answers; the same
//! events in the same order give the same ledger. A pool has a bucket that refills at its capacity; every allocation
//! has a guaranteed bucket of its own, and all guarantees together always fit the pool. What is taken from a guarantee
//! is taken from the pool too.

mod account;
mod command;
mod decide;
mod event;
mod evolve;
mod fit;
mod holds;
pub mod invariants;
mod refusal;
mod standing;
mod state;
mod terms;

#[cfg(test)]
mod scenarios;

pub use account::{Account, Totals};
pub use command::{Change, Command, Release, Reserve, Settle};
pub use decide::decide;
pub use event::{Event, Governed, Moved, Movement, Terms, TermsChanged};
pub use fit::{Shortage, shortage};
pub use holds::{Ending, FINISHED_RETENTION, HOLDS_MAX, Hold, Holds, Known, minted};
pub use refusal::{Refusal, Retry};
pub use standing::{Headroom, Standing};
pub use state::Ledger;
pub use terms::{GUARANTEE_WINDOW, POOL_WINDOW, PoolTerms};
