//! Who decided something, when and why: part of every fact of governance.

use crate::time::Timestamp;

/// The author, time and reason of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authorship {
    /// Who decided: a person's or a workload's name.
    pub author: String,
    /// Why, in their words.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// The commit of the checkout that a policy was applied from, if it was in one.
    pub commit: Option<String>,
}
