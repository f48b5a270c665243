//! One group commit: commands decided one after another, their events to be appended together, their answers kept back
//! until that is done.

use weir_domain::fact::QuotaFact;
use weir_domain::ids::PoolId;
use weir_domain::ledger::{Event, Headroom, Movement};

use super::{Changed, Reserved};
use crate::no_decision::{NoDecision, Reply};

/// An answer that waits for the journal.
struct Due<T> {
    reply: Reply<T>,
    answer: T,
}

impl<T> Due<T> {
    /// Whoever asked may be gone; that is their business.
    fn send(self, recorded: &Result<(), NoDecision>) {
        let _ = self.reply.send(recorded.clone().map(|()| self.answer));
    }
}

enum Answer {
    Reserved(Due<Reserved>),
    Flag(Due<bool>),
    Changed(Due<Changed>),
    Headroom(Due<Option<Headroom>>),
}

/// A group commit under way.
#[derive(Default)]
pub(super) struct Batch {
    facts: Vec<QuotaFact>,
    movements: Vec<Movement>,
    answers: Vec<Answer>,
}

impl Batch {
    /// Takes an event that was decided, in order.
    pub(super) fn push(&mut self, pool: &PoolId, event: Event) {
        match event {
            Event::Moved(movement) => self.movements.push(movement),
            Event::Governed(event) => {
                self.close_movements(pool);
                self.facts.push(QuotaFact::Governed { pool: pool.clone(), event });
            }
        }
    }

    pub(super) fn reserved(&mut self, reply: Reply<Reserved>, answer: Reserved) {
        self.answers.push(Answer::Reserved(Due { reply, answer }));
    }

    pub(super) fn flag(&mut self, reply: Reply<bool>, answer: bool) {
        self.answers.push(Answer::Flag(Due { reply, answer }));
    }

    pub(super) fn changed(&mut self, reply: Reply<Changed>, answer: Changed) {
        self.answers.push(Answer::Changed(Due { reply, answer }));
    }

    pub(super) fn headroom(&mut self, reply: Reply<Option<Headroom>>, answer: Option<Headroom>) {
        self.answers.push(Answer::Headroom(Due { reply, answer }));
    }

    /// How many answers wait.
    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }

    /// What is to be appended, in order; movements that follow each other are one fact.
    pub(super) fn take_facts(&mut self, pool: &PoolId) -> Vec<QuotaFact> {
        self.close_movements(pool);
        std::mem::take(&mut self.facts)
    }

    /// Sends every answer, or why there is none.
    pub(super) fn answer(self, recorded: &Result<(), NoDecision>) {
        for answer in self.answers {
            match answer {
                Answer::Reserved(due) => due.send(recorded),
                Answer::Flag(due) => due.send(recorded),
                Answer::Changed(due) => due.send(recorded),
                Answer::Headroom(due) => due.send(recorded),
            }
        }
    }

    fn close_movements(&mut self, pool: &PoolId) {
        if !self.movements.is_empty() {
            let movements = std::mem::take(&mut self.movements);
            self.facts.push(QuotaFact::Moved { pool: pool.clone(), movements });
        }
    }
}
