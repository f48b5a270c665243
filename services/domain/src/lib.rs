//! The rules of Weir: amounts, ids, usage, policy and the quota ledger.
//!
//! Pure by construction: no I/O, no clock, no randomness, no async, no serialisation. Time and ids are
//! arguments, decisions are values. What a record looks like on the wire is `weir-proto`'s business, and what
//! runs these rules is that of the services.

pub mod access;
pub mod amount;
pub mod authorship;
pub mod bucket;
pub mod budget;
pub mod burst;
pub mod calendar;
pub mod desk;
pub mod directory;
pub mod fact;
pub mod ids;
pub mod ledger;
pub mod org;
pub mod policy;
pub mod price;
pub mod price_book;
pub mod simulate;
mod table;
pub mod tally;
pub mod time;
pub mod usage;
