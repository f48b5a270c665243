//! Decisions as they are told.

use super::values::timestamp_to_wire;
use crate::governance::v1 as wire;
use weir_domain::org::Entry;

/// A line of the history, for the wire. What nobody decided has no author.
pub fn decision_to_wire(entry: &Entry) -> wire::Decision {
    let name = |name: Option<String>| name.unwrap_or_default();
    let by = entry.by.clone();
    let (author, reason, commit) =
        by.map_or_else(Default::default, |by| (by.author, by.reason, name(by.commit)));
    wire::Decision {
        at: Some(timestamp_to_wire(entry.at)),
        author,
        reason,
        commit,
        pool: name(entry.pool.as_ref().map(ToString::to_string)),
        service: name(entry.service.as_ref().map(ToString::to_string)),
        team: name(entry.team.as_ref().map(ToString::to_string)),
        what: entry.what.clone(),
    }
}
