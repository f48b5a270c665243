//! Reads what a process before this one left behind.

use std::collections::BTreeMap;

use weir_domain::ids::AttemptId;
use weir_proto::codec::{AttemptEnded, AttemptStarted, DecodeError, WalRecord, wal_from_bytes};
use weir_runtime::framed_log::FramedLog;

use super::WalError;
use super::segments::Segments;

/// An attempt that is not done: not ended, not published, or not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) started: AttemptStarted,
    pub(crate) ended: Option<AttemptEnded>,
    pub(crate) published: bool,
    pub(crate) settled: bool,
    /// The file in which it began.
    pub(super) segment: u64,
}

/// Reads all files and cuts off what was not written whole. Attempts come in order of their start.
pub(super) fn read(segments: &Segments) -> Result<Vec<Unfinished>, WalError> {
    let mut attempts = BTreeMap::new();
    for (segment, path) in segments.paths() {
        let mut problem = None;
        let visit = |_: u64, payload: &[u8]| {
            if problem.is_none() {
                problem = apply(payload, segment, &mut attempts).err();
            }
        };
        let (_, recovery) = FramedLog::open_visiting(&path, visit)?;
        if recovery.dropped_bytes > 0 {
            let (path, bytes) = (path.display(), recovery.dropped_bytes);
            tracing::warn!(%path, bytes, "a record of the write-ahead log was not written whole");
        }
        if let Some(problem) = problem {
            return Err(problem.into());
        }
    }
    Ok(attempts.into_values().filter(|attempt| !(attempt.published && attempt.settled)).collect())
}

fn apply(
    payload: &[u8],
    segment: u64,
    attempts: &mut BTreeMap<AttemptId, Unfinished>,
) -> Result<(), DecodeError> {
    match wal_from_bytes(payload)? {
        WalRecord::Started(started) => {
            let attempt = started.attempt;
            let unfinished =
                Unfinished { started: *started, ended: None, published: false, settled: false, segment };
            attempts.insert(attempt, unfinished);
        }
        WalRecord::Ended(ended) => {
            if let Some(attempt) = attempts.get_mut(&ended.attempt) {
                attempt.ended = Some(*ended);
            }
        }
        WalRecord::Published(done) => mark(attempts, &done, |attempt| attempt.published = true),
        WalRecord::Settled(done) => mark(attempts, &done, |attempt| attempt.settled = true),
    }
    Ok(())
}

fn mark(attempts: &mut BTreeMap<AttemptId, Unfinished>, done: &[AttemptId], set: impl Fn(&mut Unfinished)) {
    for attempt in done {
        if let Some(attempt) = attempts.get_mut(attempt) {
            set(attempt);
        }
    }
}
