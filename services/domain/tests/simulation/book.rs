//! What callers hold and used, whoever crashed: the truth that no ledger knows.
//!
//! A hold commits what it holds from the moment when somebody is told of it or makes a call with it; when the call has ended,
//! what it used of that. What its gateway gave up before it made a call commits nothing.

use std::collections::{BTreeMap, BTreeSet};

use weir_domain::amount::Tokens;
use weir_domain::ids::{HoldId, ServiceId, SliceId};

use crate::Checked;

/// A hold that somebody may know of.
#[derive(Debug, Clone, Default)]
struct Entry {
    /// Who made a call with it.
    made: Option<ServiceId>,
    /// None while it is held.
    used: Option<Tokens>,
}

/// A hold for which a call was made.
pub(crate) struct Made<'a> {
    pub(crate) hold: HoldId,
    pub(crate) service: &'a ServiceId,
    /// None while the call goes on.
    pub(crate) used: Option<Tokens>,
}

#[derive(Default)]
pub(crate) struct Book {
    entries: BTreeMap<HoldId, Entry>,
    /// Of each slice, what its callers hold or used.
    committed: BTreeMap<SliceId, Tokens>,
    /// Of each slice, the holds that were handed out, whether or not anybody heard of them.
    handed: BTreeMap<SliceId, BTreeSet<HoldId>>,
}

impl Book {
    /// A hold was handed out. The first of a slice begins it anew: a slice whose draw was lost, so that nobody was told of
    /// it, may come again.
    pub(crate) fn hand_out(&mut self, hold: HoldId) {
        let handed = self.handed.entry(hold.slice()).or_default();
        if hold.number() == 0 {
            for lost in std::mem::take(handed) {
                self.entries.remove(&lost);
            }
        }
        handed.insert(hold);
    }

    pub(crate) fn handed(&self, slice: SliceId) -> impl Iterator<Item = HoldId> {
        self.handed.get(&slice).into_iter().flatten().copied()
    }

    /// Somebody is told of a hold.
    pub(crate) fn tell(&mut self, hold: HoldId) {
        self.commit(hold);
    }

    /// A call is made. An error if another was made with the same hold.
    pub(crate) fn begin(&mut self, hold: HoldId, service: &ServiceId) -> Checked {
        let entry = self.commit(hold);
        match entry.made.replace(service.clone()) {
            None if entry.used.is_none() => Ok(()),
            before => Err(format!("never over-admit: {hold} was handed out twice, before to {before:?}")),
        }
    }

    fn commit(&mut self, hold: HoldId) -> &mut Entry {
        self.entries.entry(hold).or_insert_with(|| {
            *self.committed.entry(hold.slice()).or_default() += hold.tokens();
            Entry::default()
        })
    }

    /// A call has ended.
    pub(crate) fn end(&mut self, hold: HoldId, used: Tokens) {
        let entry = self.entries.get_mut(&hold).expect("a call that ends was made");
        assert_eq!(entry.used.replace(used), None, "a call ends once");
        let committed = self.committed.get_mut(&hold.slice()).expect("what is in the book commits something");
        *committed = committed.saturating_sub(hold.tokens().saturating_sub(used));
    }

    /// A settle is charged. An error if it is not what the caller used.
    pub(crate) fn charge(&mut self, hold: HoldId, charged: Tokens) -> Checked {
        let truth = match self.entries.get(&hold) {
            Some(Entry { made: Some(_), used }) => *used,
            Some(Entry { used: Some(used), .. }) => Some(*used),
            // Its gateway has given it up.
            Some(_) => {
                self.end(hold, Tokens::ZERO);
                Some(Tokens::ZERO)
            }
            // It has, and was not even told of it.
            None => {
                self.entries.insert(hold, Entry { made: None, used: Some(Tokens::ZERO) });
                Some(Tokens::ZERO)
            }
        };
        let wrong = || format!("settle: {hold} is charged {charged}, its caller used {truth:?}");
        if truth == Some(charged) { Ok(()) } else { Err(wrong()) }
    }

    pub(crate) fn committed(&self, slice: SliceId) -> Tokens {
        self.committed.get(&slice).copied().unwrap_or_default()
    }

    /// What is out of a slice as a journal knows it: of a hold that is not settled there all that it holds, for after a
    /// crash it is whole again.
    pub(crate) fn out_of(&self, slice: SliceId, is_settled: impl Fn(HoldId) -> bool) -> Tokens {
        let first = u128::from(slice.as_u64()) << 64;
        let of_slice = HoldId::new(first)..=HoldId::new(first | u128::from(u64::MAX));
        let out = |(hold, entry): (&HoldId, &Entry)| match entry.used {
            Some(used) if is_settled(*hold) => hold.tokens().min(used),
            _ => hold.tokens(),
        };
        self.entries.range(of_slice).map(out).sum()
    }

    pub(crate) fn slices(&self) -> impl Iterator<Item = SliceId> {
        self.committed.keys().copied()
    }

    /// Every call that was made.
    pub(crate) fn made(&self) -> impl Iterator<Item = Made<'_>> {
        self.entries.iter().filter_map(|(hold, entry)| {
            Some(Made { hold: *hold, service: entry.made.as_ref()?, used: entry.used })
        })
    }
}
