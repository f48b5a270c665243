//! Tables of ids: hash maps with a hasher that costs a few nanoseconds.
//!
//! The hasher is seeded anew in every process, so that nobody can choose ids that collide. Nothing may depend on the order of
//! a table.

use std::collections::HashMap;

/// A table by id.
pub(crate) type Table<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
