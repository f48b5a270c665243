//! Changes that are more than one fact, and so must be intended as a whole before any of it is made.
//!
//! The organisation and every pool have a writer and an order of their own, and no append spans them. So a change of
//! several facts is said first, in parts that count when the last of them is there; then it is made, pool by pool, then
//! in the organisation; then it is said that it has ended. Whoever finds an intent without its end makes what is left
//! of it before anything else is decided: what was made before is no change any more.

use std::collections::BTreeMap;

use crate::authorship::Authorship;
use crate::ids::PoolId;
use crate::ledger::Change;
use crate::org::{Decided, Event, PolicyChange};

/// Steps in one part, each of at most 64 KiB as the quota service takes them in: 1 MiB, of the journal's 2 MiB a record.
const STEPS_PER_PART: usize = 16;

/// One step of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Of a pool.
    Pool(PoolId, Change),
    /// Of the organisation outside of any pool.
    Org(Decided),
}

/// A part of an intent, as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentPart {
    /// Its number, from 0: that one begins an intent, whatever became of another.
    pub part: u32,
    /// Whether the intent is whole with it.
    pub last: bool,
    /// What is intended.
    pub steps: Vec<Step>,
}

/// A change that is intended and has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Who decided it, when and why.
    pub by: Authorship,
    /// All of it, in order: pools first.
    pub steps: Vec<Step>,
    /// How many parts of it there are.
    pub parts: u32,
    /// Whether the last part is there: before that nothing of it is made.
    pub whole: bool,
    /// How many of its steps outside of any pool are made.
    pub made: usize,
}

impl PolicyChange {
    /// Whether it is one fact at most, and so is made whole or not at all without being intended.
    pub fn is_one_fact(&self) -> bool {
        self.org.len() + self.pools.values().map(Vec::len).sum::<usize>() <= 1
    }

    /// The facts that say what is intended, in order.
    pub fn intent(&self, by: &Authorship) -> Vec<Event> {
        let of_pools = self.pools.iter().flat_map(|(pool, changes)| {
            changes.iter().map(move |change| Step::Pool(pool.clone(), change.clone()))
        });
        let steps: Vec<Step> =
            of_pools.chain(self.org.iter().map(|event| Step::Org(event.what.clone()))).collect();
        let count = steps.len().div_ceil(STEPS_PER_PART);
        let parts = (1..).zip(0_u32..).zip(steps.chunks(STEPS_PER_PART));
        parts
            .map(|((number, part), steps)| IntentPart { part, last: number == count, steps: steps.to_vec() })
            .map(|part| Event { by: by.clone(), what: Decided::ChangeIntended(part) })
            .collect()
    }
}

impl Intent {
    /// What each pool is asked to change.
    pub fn pools(&self) -> BTreeMap<PoolId, Vec<Change>> {
        let mut pools: BTreeMap<PoolId, Vec<Change>> = BTreeMap::new();
        for step in &self.steps {
            if let Step::Pool(pool, change) = step {
                pools.entry(pool.clone()).or_default().push(change.clone());
            }
        }
        pools
    }

    /// What is left to be made outside of any pool.
    pub fn left(&self) -> Vec<Event> {
        let decided = self.steps.iter().filter_map(|step| match step {
            Step::Org(what) => Some(Event { by: self.by.clone(), what: what.clone() }),
            Step::Pool(..) => None,
        });
        decided.skip(self.made).collect()
    }

    /// What becomes of the intent that there is when something is decided.
    pub(super) fn after(before: Option<Self>, event: &Event) -> Option<Self> {
        match (&event.what, before) {
            (Decided::ChangeIntended(part), _) if part.part == 0 => {
                let (steps, by) = (part.steps.clone(), event.by.clone());
                Some(Self { by, steps, parts: 1, whole: part.last, made: 0 })
            }
            (Decided::ChangeIntended(part), Some(mut intent))
                if !intent.whole && intent.parts == part.part =>
            {
                intent.steps.extend_from_slice(&part.steps);
                intent.parts += 1;
                intent.whole = part.last;
                Some(intent)
            }
            (Decided::ChangeIntended(_) | Decided::ChangeEnded { .. }, _) | (_, None) => None,
            // Whoever said a part of it and no more is gone, and others have decided since.
            (_, Some(intent)) if !intent.whole => None,
            (_, Some(intent)) => Some(Self { made: intent.made + 1, ..intent }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::org::Org;
    use crate::time::Timestamp;

    fn by() -> Authorship {
        Authorship { author: "ada".into(), reason: "test".into(), at: Timestamp::EPOCH, commit: None }
    }

    fn event(what: Decided) -> Event {
        Event { by: by(), what }
    }

    fn team(number: usize) -> Event {
        event(Decided::TeamRemoved(format!("team-{number}").parse().unwrap()))
    }

    /// A pool is removed, and so many teams are.
    fn change(teams: usize) -> PolicyChange {
        let pools = [("gpt".parse().unwrap(), vec![Change::RemovePool])].into();
        PolicyChange { pools, org: (0..teams).map(team).collect(), ..PolicyChange::default() }
    }

    fn after(events: &[Event]) -> Org {
        let mut org = Org::default();
        for event in events {
            org.evolve(event);
        }
        org
    }

    #[test]
    fn an_intent_counts_when_its_last_part_is_there_and_until_it_ends() {
        let parts = change(40).intent(&by());
        assert_eq!(parts.len(), 3);
        assert_eq!(after(&parts[..2]).intent(), None);
        let org = after(&parts);
        let intent = org.intent().unwrap();
        assert_eq!((intent.pools(), intent.left()), (change(40).pools, change(40).org));
        let ended = event(Decided::ChangeEnded { refused: None });
        assert_eq!(after(&[parts, vec![ended]].concat()).intent(), None);
    }

    #[test]
    fn what_is_made_of_an_intent_is_not_left_and_what_was_said_of_another_is_no_part_of_it() {
        let (first, second) = (change(40).intent(&by()), change(20).intent(&by()));
        let org = after(&[&first[..2], &second, &[team(0), team(1)]].concat());
        assert_eq!(org.intent().unwrap().left(), change(20).org[2..]);
        let foreign = [&first[..1], &[team(0)], &first[1..]].concat();
        assert_eq!(after(&foreign).intent(), None, "others have decided in between");
        assert_eq!(after(&first[1..]).intent(), None, "its beginning is not there");
    }

    #[test]
    fn one_fact_is_whole_by_itself() {
        let one = PolicyChange { org: vec![team(0)], ..PolicyChange::default() };
        assert!(change(0).is_one_fact() && one.is_one_fact() && PolicyChange::default().is_one_fact());
        assert!(!change(1).is_one_fact());
    }
}
