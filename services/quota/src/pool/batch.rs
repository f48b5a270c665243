//! A group commit as facts: movements that follow each other are one, and no append is above the journal's limits.

use weir_domain::fact::QuotaFact;
use weir_domain::ids::PoolId;
use weir_domain::ledger::{Event, Movement};

/// Movements in one record. The largest movement has 150 bytes, and 65 for the name of a service that no other one names:
/// 900 KB, of the journal's 2 MiB.
const MOVEMENTS_PER_RECORD: usize = 4_096;
/// What one append holds, in parts: a movement is one, a decision of people is as many as fit its bytes. Below 16 MB, of
/// the journal's 32 MiB.
const PARTS_PER_APPEND: usize = 16 * MOVEMENTS_PER_RECORD;
const PARTS_OF_A_DECISION: usize = 32;

/// Turns events into facts, in order, in groups that one append takes each. All but unusual commits are one group.
pub(super) fn appends(pool: &PoolId, events: impl Iterator<Item = Event>) -> Vec<Vec<QuotaFact>> {
    let mut appends = vec![Vec::new()];
    let mut parts = 0;
    for fact in facts(pool, events) {
        let weight = parts_of(&fact);
        if parts + weight > PARTS_PER_APPEND {
            appends.push(Vec::new());
            parts = 0;
        }
        parts += weight;
        appends.last_mut().expect("there is one from the beginning").push(fact);
    }
    appends
}

fn facts(pool: &PoolId, events: impl Iterator<Item = Event>) -> Vec<QuotaFact> {
    let mut facts = Vec::new();
    let mut movements: Vec<Movement> = Vec::new();
    let close = |movements: &mut Vec<Movement>, facts: &mut Vec<QuotaFact>| {
        if !movements.is_empty() {
            facts.push(QuotaFact::Moved { pool: pool.clone(), movements: std::mem::take(movements) });
        }
    };
    for event in events {
        match event {
            Event::Moved(movement) => movements.push(movement),
            Event::Governed(event) => {
                close(&mut movements, &mut facts);
                facts.push(QuotaFact::Governed { pool: pool.clone(), event });
            }
        }
        if movements.len() == MOVEMENTS_PER_RECORD {
            close(&mut movements, &mut facts);
        }
    }
    close(&mut movements, &mut facts);
    facts
}

fn parts_of(fact: &QuotaFact) -> usize {
    match fact {
        QuotaFact::Moved { movements, .. } => movements.len(),
        _ => PARTS_OF_A_DECISION,
    }
}

#[cfg(test)]
mod tests {
    use weir_domain::authorship::Authorship;
    use weir_domain::ids::SliceId;
    use weir_domain::ledger::{Governed, Moved, TermsChanged};
    use weir_domain::time::Timestamp;

    use super::*;

    fn moved(number: usize) -> Event {
        let slice = SliceId::new(number as u64);
        let (at, service) = (Timestamp::EPOCH, "chat".parse().unwrap());
        Event::Moved(Movement { at, service, what: Moved::Lapsed { slice } })
    }

    fn decided() -> Event {
        let by =
            Authorship { author: "ada".into(), reason: "test".into(), at: Timestamp::EPOCH, commit: None };
        Event::Governed(Governed { by, what: TermsChanged::PoolRemoved })
    }

    #[test]
    fn what_moves_between_two_decisions_is_one_fact() {
        let events = [moved(1), moved(2), decided(), decided(), moved(3)];
        let appends = appends(&"gpt".parse().unwrap(), events.into_iter());
        let lengths: Vec<_> = appends[0].iter().map(parts_of).collect();
        assert_eq!((appends.len(), lengths), (1, vec![2, PARTS_OF_A_DECISION, PARTS_OF_A_DECISION, 1]));
    }

    #[test]
    fn however_much_moves_every_record_and_every_append_stays_below_its_limit_and_nothing_is_lost() {
        let count = PARTS_PER_APPEND + MOVEMENTS_PER_RECORD + 7;
        let appends = appends(&"gpt".parse().unwrap(), (0..count).map(moved));
        assert_eq!(appends.len(), 2);
        let mut order = Vec::new();
        for append in &appends {
            assert!(append.iter().map(parts_of).sum::<usize>() <= PARTS_PER_APPEND);
            for fact in append {
                let QuotaFact::Moved { movements, .. } = fact else { panic!("{fact:?}") };
                assert!(movements.len() <= MOVEMENTS_PER_RECORD);
                order.extend(movements.iter().map(|movement| movement.what.clone()));
            }
        }
        let expected = (0..count).map(|number| Moved::Lapsed { slice: SliceId::new(number as u64) });
        assert!(order.into_iter().eq(expected));
    }
}
