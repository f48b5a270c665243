//! A batch: the records of a range, decoded, without the duplicates that are in it, and apart from what is poison.
//!
//! The same records always give the same batch. What the tables know already is taken out by [`Batch::forget`].

use std::collections::HashSet;

use weir_domain::ids::{EventId, NodeId};
use weir_domain::usage::{RefusalsCounted, UsageEvent, UsageRecorded};
use weir_proto::codec::{DecodeError, usage_from_record};
use weir_proto::record::{Record, Topic};
use weir_runtime::journal::StoredRecord;

use crate::price::{PriceDecision, price_from_record};
use crate::warehouse::{Placed, Rows};

/// Who recorded an event, and its id there. Two records with the same identity are the same fact.
pub(crate) type Identity = (NodeId, EventId);

/// What came of a range's records.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Usage events and refusals, each fact once.
    pub(crate) events: Vec<Placed<UsageEvent>>,
    /// Prices that were set or removed.
    pub(crate) prices: Vec<Placed<PriceDecision>>,
    /// Records that cannot be read.
    pub(crate) rejected: Vec<Rejected>,
    /// How many records repeated a fact.
    pub(crate) duplicates: usize,
}

/// A record that cannot be read, and why.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) stored: StoredRecord,
    pub(crate) problem: DecodeError,
}

impl Batch {
    /// Decodes records that are in order of their offsets. Of records that repeat a fact the first stays.
    pub(crate) fn decode(records: Vec<StoredRecord>) -> Self {
        let mut batch = Self::default();
        let mut seen = HashSet::new();
        for stored in records {
            match decode(stored.partition.topic, &stored.record) {
                Ok(Decoded::Event(event)) if seen.insert(identity(&event)) => {
                    batch.events.push(Placed { offset: stored.offset, fact: event });
                }
                Ok(Decoded::Event(_)) => batch.duplicates += 1,
                Ok(Decoded::Price(price)) => {
                    batch.prices.push(Placed { offset: stored.offset, fact: price });
                }
                Ok(Decoded::Other) => {}
                Err(problem) => batch.rejected.push(Rejected { stored, problem }),
            }
        }
        batch
    }

    /// Takes out the events that are in the tables already.
    pub(crate) fn forget(&mut self, known: &HashSet<Identity>) {
        let before = self.events.len();
        self.events.retain(|placed| !known.contains(&identity(&placed.fact)));
        self.duplicates += before - self.events.len();
    }

    /// What to insert, one set of rows a table; tables that get nothing are not named.
    pub(crate) fn into_rows(self) -> Vec<Rows> {
        let mut usage: Vec<Placed<Box<UsageRecorded>>> = Vec::new();
        let mut refusals: Vec<Placed<RefusalsCounted>> = Vec::new();
        for Placed { offset, fact } in self.events {
            match fact {
                UsageEvent::Recorded(fact) => usage.push(Placed { offset, fact }),
                UsageEvent::Refused(fact) => refusals.push(Placed { offset, fact }),
            }
        }
        let tables = [Rows::UsageEvents(usage), Rows::Refusals(refusals), Rows::Prices(self.prices)];
        tables.into_iter().filter(|rows| rows.len() > 0).collect()
    }

    /// Whether nothing would be written anywhere.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.prices.is_empty() && self.rejected.is_empty()
    }
}

/// The identity of an event.
pub(crate) fn identity(event: &UsageEvent) -> Identity {
    (event.node().clone(), event.id())
}

/// Bytes that a record holds in memory, near enough to bound it.
pub(crate) fn record_bytes(record: &Record) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.len() + headers + record.payload.len()
}

enum Decoded {
    Event(UsageEvent),
    Price(PriceDecision),
    /// A fact that the tables do not show.
    Other,
}

fn decode(topic: Topic, record: &Record) -> Result<Decoded, DecodeError> {
    match topic {
        Topic::Usage => usage_from_record(record).map(Decoded::Event),
        Topic::Quota => price_from_record(record).map(|price| price.map_or(Decoded::Other, Decoded::Price)),
        Topic::DeadLetter => Ok(Decoded::Other),
    }
}
