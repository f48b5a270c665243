//! Duplicates: the same fact recorded twice in the journal, for instance when a gateway's log was replayed.
//!
//! A fact keeps its service, so a repeated record comes in the same partition; of all its records the first counts.
//! It need not keep its own time: a gateway that lost the end of an attempt estimates another one, later than any that
//! it may have published before (unless its clock was set back in between). So an attempt is looked for from its start
//! to its end. What stands at a smaller offset is complete when a batch begins, so the answer is the same whenever the
//! question is asked again.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use weir_domain::ids::ServiceId;
use weir_domain::usage::UsageEvent;

use crate::batch::{Batch, Identity, identity};
use crate::intent::Range;
use crate::warehouse::{DuplicateSearch, Error, Span, Table, Warehouse};

/// Events further apart than this are looked for separately, so that one late event does not read a whole month.
const GAP: Duration = Duration::from_mins(1);

/// More spans than this in one question are drawn together.
const SPANS_MAX: usize = 16;

/// Takes out of the batch what the tables have already.
pub(crate) async fn remove(warehouse: &dyn Warehouse, range: &Range, batch: &mut Batch) -> Result<(), Error> {
    let mut known = HashSet::new();
    for table in [Table::UsageEvents, Table::Refusals] {
        let candidates = Candidates::of(table, batch);
        if !candidates.identities.is_empty() {
            known.extend(warehouse.known(&candidates.search(table, range)).await?);
        }
    }
    batch.forget(&known);
    Ok(())
}

struct Candidates {
    identities: HashSet<Identity>,
    services: BTreeSet<ServiceId>,
    spans: Vec<Span>,
}

impl Candidates {
    fn of(table: Table, batch: &Batch) -> Self {
        let events = || batch.events.iter().map(|placed| &placed.fact).filter(|fact| table_of(fact) == table);
        Self {
            identities: events().map(identity).collect(),
            services: events().map(|event| event.service().clone()).collect(),
            spans: spans(events().map(searched).collect()),
        }
    }

    fn search(&self, table: Table, range: &Range) -> DuplicateSearch<'_> {
        DuplicateSearch {
            table,
            partition: range.partition,
            before: range.from,
            services: &self.services,
            spans: &self.spans,
            candidates: &self.identities,
        }
    }
}

const fn table_of(event: &UsageEvent) -> Table {
    match event {
        UsageEvent::Recorded(_) => Table::UsageEvents,
        UsageEvent::Refused(_) => Table::Refusals,
    }
}

/// Where the own time of an earlier record of the same fact lies. An attempt may end before it began, by a wall clock.
fn searched(event: &UsageEvent) -> Span {
    match event {
        UsageEvent::Recorded(event) => (event.started.min(event.ended), event.started.max(event.ended)),
        UsageEvent::Refused(event) => (event.to, event.to),
    }
}

/// Few spans that hold all of these: a new one begins after a gap, and the last one takes what is left.
fn spans(mut searched: Vec<Span>) -> Vec<Span> {
    searched.sort_unstable();
    let mut spans: Vec<Span> = Vec::new();
    for (from, to) in searched {
        let full = spans.len() == SPANS_MAX;
        match spans.last_mut() {
            Some((_, last)) if full || from.since(*last) <= GAP => *last = to.max(*last),
            _ => spans.push((from, to)),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use weir_domain::time::Timestamp;

    use super::*;

    fn secs(list: &[(i64, i64)]) -> Vec<Span> {
        list.iter().map(|(from, to)| (Timestamp::from_secs(*from), Timestamp::from_secs(*to))).collect()
    }

    #[test]
    fn a_late_event_is_looked_for_apart_from_the_others() {
        let found =
            spans(secs(&[(1_000_050, 1_000_050), (1_000_000, 1_000_000), (5, 5), (1_000_100, 1_000_100)]));
        assert_eq!(found, secs(&[(5, 5), (1_000_000, 1_000_100)]));
        assert_eq!(spans(vec![]), []);
    }

    #[test]
    fn a_long_attempt_is_looked_for_to_its_end_whatever_began_within_it() {
        let found = spans(secs(&[(0, 5_000), (100, 200), (5_030, 5_040), (9_000, 9_001)]));
        assert_eq!(found, secs(&[(0, 5_040), (9_000, 9_001)]));
    }

    #[test]
    fn however_scattered_the_times_there_are_few_spans_and_all_are_covered() {
        let searched = secs(&(0..1_000).map(|n| (n * 3_600, n * 3_600 + n)).collect::<Vec<_>>());
        let spans = spans(searched.clone());
        assert_eq!(spans.len(), SPANS_MAX);
        let covers = |(first, last): &Span, (from, to): &Span| first <= from && to <= last;
        assert!(searched.iter().all(|event| spans.iter().any(|span| covers(span, event))));
    }
}
