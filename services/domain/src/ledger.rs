//! The quota ledger of one pool: who may take how many tokens now, and who took them.
//!
//! [`decide`] answers a command with events or a refusal, [`Ledger::evolve`] makes an event so and cannot fail.
//! Time and ids are arguments. Whoever runs it appends the events to the journal before it answers; the same
//! events in the same order give the same ledger. A pool has a bucket that refills at its capacity; every allocation
//! has a guaranteed bucket of its own, and all guarantees together always fit the pool. What is taken from a guarantee
//! is taken from the pool too.

mod change;
mod command;
mod event;
mod fit;
mod refusal;
mod terms;

pub use change::decide_change;
pub use command::{Change, Draw, Quantity, Seal, Settle};
pub use event::{Drawn, Event, Governed, Moved, Movement, TermsChanged};
pub use fit::{Shortage, shortage};
pub use refusal::{Bound, CapacityUsed, ChangeRefused, Decimal, Refusal, Retry};
pub use terms::{GUARANTEE_WINDOW, POOL_WINDOW, PoolTerms};
