//! A pool's journal: what is in it, once each, and the ledgers that are rebuilt from it.

use std::collections::{BTreeMap, BTreeSet};

use weir_domain::amount::{Money, Tokens};
use weir_domain::ids::{HoldId, ServiceId, SliceId};
use weir_domain::ledger::{Event, Ledger, LedgerImage, Moved};

use crate::Checked;

/// Events in order, and a snapshot of some of them.
#[derive(Default)]
pub(crate) struct Journal {
    events: Vec<Event>,
    settled: BTreeMap<HoldId, (ServiceId, Tokens)>,
    drawn: BTreeSet<SliceId>,
    /// Of a hold that held money, and was settled when none was counted any more.
    no_longer_priced: BTreeSet<SliceId>,
    snapshot: Option<(usize, LedgerImage)>,
}

impl Journal {
    /// Appends; an error if a hold is settled that was settled before, or a slice drawn that was drawn before.
    pub(crate) fn record(&mut self, events: Vec<Event>) -> Checked {
        for event in &events {
            let Event::Moved(movement) = event else { continue };
            match &movement.what {
                Moved::Settled { hold, held, used, .. } => {
                    if *held > Money::ZERO && used.money == Money::ZERO && used.tokens > Tokens::ZERO {
                        self.no_longer_priced.insert(hold.slice());
                    }
                    let charged = (movement.service.clone(), used.tokens);
                    if let Some(before) = self.settled.insert(*hold, charged) {
                        return Err(format!(
                            "settled once: {hold} was settled by {before:?}, now by {used:?}"
                        ));
                    }
                }
                Moved::Drawn(drawn) if !self.drawn.insert(drawn.slice) => {
                    return Err(format!("conservation: slice {} was drawn twice", drawn.slice));
                }
                _ => {}
            }
        }
        self.events.extend(events);
        Ok(())
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    pub(crate) fn has_settled(&self, hold: HoldId) -> bool {
        self.settled.contains_key(&hold)
    }

    /// Whether the slice has money of calls that were charged for tokens alone.
    pub(crate) fn is_priced_no_longer(&self, slice: SliceId) -> bool {
        self.no_longer_priced.contains(&slice)
    }

    pub(crate) fn has_drawn(&self, slice: SliceId) -> bool {
        self.drawn.contains(&slice)
    }

    /// What each hold was settled with, and for whom.
    pub(crate) fn settled(&self) -> &BTreeMap<HoldId, (ServiceId, Tokens)> {
        &self.settled
    }

    /// Keeps the ledger as it is at the journal's end.
    pub(crate) fn take_snapshot(&mut self) {
        let ledger = self.rebuilt();
        self.snapshot = Some((self.events.len(), ledger.image()));
    }

    pub(crate) fn has_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// The ledger from the last snapshot and what came after it.
    pub(crate) fn rebuilt(&self) -> Ledger {
        let (from, mut ledger) = match &self.snapshot {
            Some((from, image)) => (*from, Ledger::from_image(image.clone())),
            None => (0, Ledger::default()),
        };
        self.events[from..].iter().for_each(|event| ledger.evolve(event));
        ledger
    }

    /// The ledger from all that there is.
    pub(crate) fn whole(&self) -> Ledger {
        let mut ledger = Ledger::default();
        self.events.iter().for_each(|event| ledger.evolve(event));
        ledger
    }

    /// The ledger if every movement comes twice.
    pub(crate) fn doubled(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for event in &self.events {
            ledger.evolve(event);
            if matches!(event, Event::Moved(_)) {
                ledger.evolve(event);
            }
        }
        ledger
    }
}
