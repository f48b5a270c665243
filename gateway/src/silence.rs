//! The patience with an upstream that says nothing in the midst of an answer.
//!
//! Looks at the clock when bytes come, and sets the timer only when it fires.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// How long it has been silent.
pub(crate) struct Silence {
    bound: Duration,
    heard: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Silence {
    /// It was heard just now, and may be silent so long.
    pub(crate) fn new(bound: Duration) -> Self {
        let heard = Instant::now();
        Self { bound, heard, timer: Box::pin(tokio::time::sleep_until(heard + bound)) }
    }

    /// Bytes came.
    pub(crate) fn ends(&mut self) {
        self.heard = Instant::now();
    }

    /// Ready when it has lasted for the bound, which it gives back.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let patient_until = self.heard + self.bound;
            if Instant::now() >= patient_until {
                return Poll::Ready(self.bound);
            }
            self.timer.as_mut().reset(patient_until);
        }
    }
}
