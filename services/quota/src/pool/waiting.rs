//! Who waits for the journal.
//!
//! One append is in flight at a time. Whoever waits, waits for it or for the one after it.

use tokio::sync::oneshot;

use super::due::Recorded;
use crate::no_decision::NoDecision;

struct Ticket {
    tell: oneshot::Sender<Recorded>,
    items: usize,
}

/// Those who wait.
#[derive(Default)]
pub(super) struct Waiting {
    /// For the append in flight.
    taken: Vec<Ticket>,
    /// For the next one.
    next: Vec<Ticket>,
    items: usize,
}

impl Waiting {
    /// How much waits.
    pub(super) const fn items(&self) -> usize {
        self.items
    }

    /// One more waits, for what is being appended or for what comes next.
    pub(super) fn add(&mut self, items: usize, for_taken: bool) -> oneshot::Receiver<Recorded> {
        let (tell, told) = oneshot::channel();
        self.items += items;
        let tickets = if for_taken { &mut self.taken } else { &mut self.next };
        tickets.push(Ticket { tell, items });
        told
    }

    /// What was to come next is being appended.
    pub(super) fn take(&mut self) {
        self.taken.append(&mut self.next);
    }

    /// What was being appended is recorded. Whoever waited may be gone; that is their business.
    pub(super) fn answer_taken(&mut self) {
        for ticket in self.taken.drain(..) {
            self.items -= ticket.items;
            let _ = ticket.tell.send(Ok(()));
        }
    }

    /// Nobody gets a decision.
    pub(super) fn fail(&mut self, reason: &NoDecision) {
        for ticket in self.taken.drain(..).chain(self.next.drain(..)) {
            let _ = ticket.tell.send(Err(reason.clone()));
        }
        self.items = 0;
    }
}
