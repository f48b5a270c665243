//! Decisions as they are told.

use super::values::timestamp_to_wire;
use crate::governance::v1 as wire;
use weir_domain::org::Entry;

/// A line of the history, for the wire: with what comes of it for access keys, if whoever reads it manages those. What nobody
/// decided has no author.
pub fn decision_to_wire(entry: &Entry, sees_access: bool) -> wire::Decision {
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
        what: if sees_access { entry.whole() } else { entry.what.clone() },
    }
}
