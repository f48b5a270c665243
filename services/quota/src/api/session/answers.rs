//! Answers of a session that wait until what they rest on is recorded, in order.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use weir_proto::quota::v1 as wire;

use crate::no_decision::NoDecision;
use crate::pool::Due;

/// What a session says when its turn has come.
pub(super) enum Said {
    Answers(wire::SessionAnswers),
    Limits(Vec<wire::SessionLimits>),
}

/// What a session is to say.
pub(super) enum Pending {
    /// The answers to the batch of this number.
    Batch(u64, Due<wire::SessionAnswers>),
    /// Limits that have changed in a pool.
    Limits(Due<Vec<wire::SessionLimits>>),
}

impl Pending {
    /// A batch on which there is no decision.
    pub(super) fn undecided(batch: u64, reason: &NoDecision) -> Self {
        Self::Batch(batch, Due::begin(undecided(batch, reason)))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Said> {
        match self {
            Self::Batch(batch, due) => {
                let answers = ready!(Pin::new(due).poll(context));
                Poll::Ready(Said::Answers(answers.unwrap_or_else(|reason| undecided(*batch, &reason))))
            }
            Self::Limits(due) => {
                let limits = ready!(Pin::new(due).poll(context));
                // Nobody knows what they are now. The pool is about to be lost, which ends the session.
                Poll::Ready(Said::Limits(limits.unwrap_or_default()))
            }
        }
    }
}

fn undecided(batch: u64, reason: &NoDecision) -> wire::SessionAnswers {
    wire::SessionAnswers { batch, undecided: reason.to_string(), ..Default::default() }
}

/// The first of what is to be said, when its turn has come. Loses nothing if it is dropped before.
pub(super) async fn first(pending: &mut VecDeque<Pending>) -> Said {
    let said = poll_fn(|context| match pending.front_mut() {
        Some(first) => first.poll(context),
        None => Poll::Pending,
    });
    let said = said.await;
    pending.pop_front();
    said
}
