//! Answers that are held back until the journal has what they rest on.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use crate::no_decision::NoDecision;

/// What whoever waits for the journal is told.
pub(super) type Recorded = Result<(), NoDecision>;

/// An answer that is given when the journal has all that it rests on, and not before. There is no other way to it.
#[must_use = "an answer is given to whoever waits for it"]
pub(crate) struct Due<T> {
    answer: Option<T>,
    /// What it waits for.
    recorded: Vec<oneshot::Receiver<Recorded>>,
}

impl<T> Due<T> {
    /// An answer that rests on nothing yet.
    pub(crate) const fn begin(answer: T) -> Self {
        Self { answer: Some(answer), recorded: Vec::new() }
    }

    /// An answer that waits for its ticket, if it has one.
    pub(super) fn after(answer: T, ticket: Option<oneshot::Receiver<Recorded>>) -> Self {
        Self { answer: Some(answer), recorded: ticket.into_iter().collect() }
    }

    /// Works on the answer; it then waits for one more ticket, if the work gives one.
    pub(super) fn work<E>(
        &mut self,
        work: impl FnOnce(&mut T) -> Result<Option<oneshot::Receiver<Recorded>>, E>,
    ) -> Result<(), E> {
        let answer = self.answer.as_mut().expect("an answer that is worked on is not given yet");
        self.recorded.extend(work(answer)?);
        Ok(())
    }

    /// The same in another form; it is given no sooner.
    pub(crate) fn map<U>(self, form: impl FnOnce(T) -> U) -> Due<U> {
        Due { answer: self.answer.map(form), recorded: self.recorded }
    }
}

impl<T: Unpin> Future for Due<T> {
    type Output = Result<T, NoDecision>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some(ticket) = self.recorded.last_mut() {
            let told = ready!(Pin::new(ticket).poll(context));
            self.recorded.pop();
            told.unwrap_or(Err(NoDecision::ShuttingDown))?;
        }
        Poll::Ready(Ok(self.answer.take().expect("an answer is given once")))
    }
}
