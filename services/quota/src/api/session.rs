//! A session: batches of reservations and settles on one stream, slices for a node, and limits pushed to it.
//!
//! Runs where its answers are written: nothing is handed to another task. A batch is decided when it is read; its answers
//! wait for the journal if they must, in a queue, while the next batch is decided. Answers leave in the order of the
//! batches. Whoever does not read its answers is not read from.
//!
//! What a session's node holds outlives it: slices until [`NODE_SLICE_LIFETIME`], holds until [`HOLD_LIFETIME`].

mod accounts;
mod answers;
mod batch;
mod check;
mod limits;
mod open;

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tonic::{Status, Streaming};
use weir_domain::desk::{HOLD_LIFETIME, NODE_SLICE_LIFETIME};
use weir_domain::ids::NodeId;
use weir_proto::codec::duration_to_wire;
use weir_proto::quota::v1 as wire;
use weir_proto::quota::v1::session_request::Request as Asked;
use weir_proto::quota::v1::session_response::Response as Said;

use super::admission::Admission;
use super::input::invalid;
use crate::auth::Caller;
use crate::metrics::OpenSession;
use accounts::Accounts;
use answers::Pending;

/// Batches of a session that wait for the journal: what a node sends in 100 ms at a batch a millisecond, with room.
const BATCHES_WAITING_MAX: usize = 256;
/// What a batch may ask for: the desk is held for half a millisecond at most.
const BATCH_ITEMS_MAX: usize = 1_024;
/// How long a session may take to say who it is: longer than a connection across the world needs.
const OPEN_WAIT_MAX: Duration = Duration::from_secs(10);

/// One session.
struct Session {
    admission: Admission,
    caller: Caller,
    asked: Streaming<wire::SessionRequest>,
    limits: watch::Receiver<u64>,
    node: Option<NodeId>,
    accounts: Accounts,
    /// In the order in which they are to be sent.
    pending: VecDeque<Pending>,
    unasked: VecDeque<wire::SessionLimits>,
    /// Whether more is read, and what is said at the end if it is not a plain one.
    reading: bool,
    end: Option<Status>,
    _open: OpenSession,
}

/// The answers to what is asked in a session.
pub(super) fn answers(
    admission: Admission,
    caller: Caller,
    asked: Streaming<wire::SessionRequest>,
) -> impl Stream<Item = Result<wire::SessionResponse, Status>> + Send {
    let session = Session {
        limits: admission.pools.watch_limits(),
        admission,
        caller,
        asked,
        node: None,
        accounts: Accounts::default(),
        pending: VecDeque::new(),
        unasked: VecDeque::new(),
        reading: true,
        end: None,
        _open: OpenSession::count(),
    };
    stream::unfold(session, |mut session| async move {
        let said = session.next().await?;
        Some((said.map(|response| wire::SessionResponse { response: Some(response) }), session))
    })
}

impl Session {
    /// What is said next; none when the session is over.
    async fn next(&mut self) -> Option<Result<Said, Status>> {
        if self.node.is_none() && self.reading {
            match self.open().await {
                Ok(opened) => return Some(Ok(Said::Opened(opened))),
                Err(status) => self.finish(Some(status)),
            }
        }
        loop {
            if let Some(limits) = self.unasked.pop_front() {
                return Some(Ok(Said::Limits(limits)));
            }
            let shutdown = &self.admission.shutdown;
            tokio::select! {
                biased;
                said = answers::first(&mut self.pending), if !self.pending.is_empty() => match said {
                    answers::Said::Answers(answers) => return Some(Ok(Said::Answers(answers))),
                    answers::Said::Limits(limits) => self.unasked = limits.into(),
                },
                () = shutdown.cancelled(), if self.reading => self.finish(None),
                asked = self.asked.message(), if self.reading && self.pending.len() < BATCHES_WAITING_MAX => {
                    self.take(asked);
                }
                changed = self.limits.changed(), if self.reading => match changed {
                    Ok(()) => self.look_at_limits(),
                    Err(_) => self.finish(None),
                },
                else => return self.end.take().map(Err),
            }
        }
    }

    /// Whoever broke off has ended the session as well as whoever ended it.
    fn take(&mut self, asked: Result<Option<wire::SessionRequest>, Status>) {
        match asked.ok().flatten().map(|request| request.request) {
            Some(Some(Asked::Batch(batch))) => match self.decide(&batch) {
                Ok(pending) => self.pending.push_back(pending),
                Err(status) => self.finish(Some(status)),
            },
            Some(Some(Asked::Open(_))) => {
                self.finish(Some(invalid("open", "comes a second time; open another session instead")));
            }
            Some(None) => self.finish(Some(invalid("request", "is neither open nor batch"))),
            None => self.finish(None),
        }
    }

    /// Reads no more. What was asked before is still answered.
    fn finish(&mut self, end: Option<Status>) {
        self.reading = false;
        self.end = end;
    }
}

fn opened(alive: u32) -> wire::SessionOpened {
    wire::SessionOpened {
        alive,
        slice_lifetime: Some(duration_to_wire(NODE_SLICE_LIFETIME)),
        hold_lifetime: Some(duration_to_wire(HOLD_LIFETIME)),
    }
}
