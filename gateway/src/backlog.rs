//! A queue of work that must be done in the end: what is pushed is never refused and never dropped.
//!
//! Its bound is outside: every entry belongs to an attempt, and attempts that are not finished are bounded by
//! `attempts_open_max` (those of a process before this one were bounded by its own), refusals by their own rule.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

/// A queue that many push to and many take from.
pub(crate) struct Backlog<T> {
    queue: Mutex<VecDeque<T>>,
    pushed: Notify,
    /// Entries that were pushed and are not done: in the queue, or taken from it.
    open: watch::Sender<usize>,
}

impl<T> Default for Backlog<T> {
    fn default() -> Self {
        Self { queue: Mutex::default(), pushed: Notify::new(), open: watch::Sender::new(0) }
    }
}

impl<T> Backlog<T> {
    /// Adds an entry at the end.
    pub(crate) fn push(&self, entry: T) {
        self.open.send_modify(|open| *open += 1);
        self.requeue(entry);
    }

    /// Puts an entry that was taken back at the end.
    pub(crate) fn requeue(&self, entry: T) {
        self.lock().push_back(entry);
        self.pushed.notify_one();
    }

    /// Takes the oldest entries, at most `max`; waits until there is one.
    pub(crate) async fn take(&self, max: usize) -> Vec<T> {
        loop {
            let taken: Vec<T> = {
                let mut queue = self.lock();
                let count = queue.len().min(max);
                queue.drain(..count).collect()
            };
            if !taken.is_empty() {
                return taken;
            }
            self.pushed.notified().await;
        }
    }

    /// Says that entries that were taken are done.
    pub(crate) fn done(&self, count: usize) {
        self.open.send_modify(|open| *open -= count);
    }

    /// How many entries are not done.
    pub(crate) fn open(&self) -> usize {
        *self.open.borrow()
    }

    /// Waits until all entries are done.
    pub(crate) async fn all_done(&self) {
        // The sender is `self`: it cannot be gone.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn entries_come_in_order_and_are_open_until_they_are_done() {
        let backlog = Backlog::default();
        for entry in 1..=3 {
            backlog.push(entry);
        }
        assert_eq!(backlog.take(2).await, [1, 2]);
        backlog.requeue(1);
        assert_eq!(backlog.take(9).await, [3, 1]);
        assert_eq!(backlog.open(), 3);
        backlog.done(3);
        backlog.all_done().await;
    }

    #[tokio::test]
    async fn one_who_waits_is_woken() {
        let backlog = Backlog::default();
        let push = async {
            tokio::task::yield_now().await;
            backlog.push(7);
        };
        let (taken, ()) = tokio::join!(backlog.take(1), push);
        assert_eq!(taken, [7]);
    }
}
