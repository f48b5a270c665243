//! Tables of ids: hash maps with a hasher that costs a few nanoseconds.
//!
//! Keys are names that a policy has chosen and ids that programs mint; nobody outside can choose them to collide. Nothing may
//! depend on the order of a table.

use std::collections::HashMap;

/// A table by id.
pub(crate) type Table<K, V> = HashMap<K, V, foldhash::fast::FixedState>;
