//! The ledger's state and what can be read from it.

use std::collections::BTreeSet;

use crate::bucket::Level;
use crate::ids::{HoldId, ServiceId, SliceId};
use crate::ledger::levels::{Levels, Place};
use crate::ledger::slice::{RecycledMarks, Slice, SliceState};
use crate::ledger::{Account, PoolTerms};
use crate::policy::Thresholds;
use crate::table::Table;
use crate::time::Timestamp;

/// How many lapsed slices, and how many self-granted ones, a pool remembers: those of 30 crashes of a node with 2,000 busy allocations, in 40 MB. The oldest
/// is forgotten first; what is settled for it later is taken for a repetition, and not charged.
pub const LAPSED_MAX: usize = 65_536;

/// All that is known of one pool.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger {
    pub(super) terms: PoolTerms,
    /// Whether the pool was ever defined: it begins full, once.
    pub(super) opened: bool,
    /// Every bucket but those of borrowing.
    pub(super) levels: Levels,
    /// By place.
    pub(super) accounts: Vec<Account>,
    pub(super) places: Table<ServiceId, Place>,
    /// Those that are not over.
    pub(super) slices: Table<SliceId, Slice>,
    pub(super) recycled: RecycledMarks,
    pub(super) lapsed: BTreeSet<SliceId>,
    /// Those that gateways granted themselves; apart, so that neither crowds out the other.
    pub(super) self_granted: BTreeSet<SliceId>,
    /// The newest that was drawn here.
    pub(super) last_slice: Option<SliceId>,
    /// The newest self-granted slice that was forgotten.
    pub(super) forgotten: Option<SliceId>,
}

/// What is known of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Its slice is known, and it is not settled.
    Outstanding,
    /// It was settled, or its slice is over.
    Settled,
    /// Its slice was not drawn here: by a gateway on its own, or the draw was lost with the journal's end.
    Foreign,
}

impl Ledger {
    /// The ledger's time: of its last event, or later if [`Ledger::advance`] said so.
    pub fn at(&self) -> Timestamp {
        self.levels.at()
    }

    /// Time passes. A clock that steps back changes nothing: the ledger's time never does.
    pub fn advance(&mut self, now: Timestamp) {
        self.levels.advance(now);
    }

    /// What was decided about the pool.
    pub fn terms(&self) -> &PoolTerms {
        &self.terms
    }

    /// Every level but those of borrowing.
    pub fn levels(&self) -> &Levels {
        &self.levels
    }

    /// Where a service's account is; none if it never had one.
    pub fn place(&self, service: &ServiceId) -> Option<Place> {
        self.places.get(service).copied()
    }

    /// The account at a place.
    ///
    /// # Panics
    /// If the place is another ledger's.
    pub fn account_at(&self, place: Place) -> &Account {
        &self.accounts[place.index()]
    }

    /// A service's account; none if it never had one.
    pub fn account(&self, service: &ServiceId) -> Option<&Account> {
        self.place(service).map(|place| self.account_at(place))
    }

    /// All accounts, in order of their places.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = &Account> {
        self.accounts.iter()
    }

    /// A slice that is not over.
    pub fn slice(&self, slice: SliceId) -> Option<&Slice> {
        self.slices.get(&slice)
    }

    /// All slices that are not over, in no order.
    pub fn slices(&self) -> impl Iterator<Item = (SliceId, &Slice)> {
        self.slices.iter().map(|(id, slice)| (*id, slice))
    }

    /// Whose slice it is.
    pub fn service_of(&self, slice: SliceId) -> Option<&ServiceId> {
        self.slices.get(&slice).map(|slice| &self.account_at(slice.place).service)
    }

    /// Whether somebody hands the slice out.
    pub fn is_open(&self, slice: SliceId) -> bool {
        self.slices.get(&slice).is_some_and(|slice| slice.state == SliceState::Open)
    }

    /// What is known of a hold.
    pub fn settlement_of(&self, hold: HoldId) -> Settlement {
        let id = hold.slice();
        match self.slices.get(&id) {
            Some(slice) if slice.has_settled(hold.number()) => Settlement::Settled,
            Some(_) => Settlement::Outstanding,
            None if id.is_self_granted() && self.forgotten.is_none_or(|forgotten| forgotten < id) => {
                Settlement::Foreign
            }
            None if id.is_self_granted() => Settlement::Settled,
            None if self.last_slice.is_none_or(|last| last < id) => Settlement::Foreign,
            None => Settlement::Settled,
        }
    }

    /// What the pool holds beyond every guarantee; negative if debt has eaten into guarantees.
    pub fn spare(&self) -> Level {
        self.levels.spare()
    }

    /// By how much the pool falls short of its guarantees. Only debt can bring this about; while it lasts nobody borrows.
    pub fn deficit(&self) -> Level {
        self.levels.deficit()
    }

    pub(super) fn thresholds(&self) -> Thresholds {
        self.terms.pool().map(|pool| pool.thresholds).unwrap_or_default()
    }

    /// Where a service's account is, opened if there is none.
    pub(super) fn open_account(&mut self, service: &ServiceId) -> Place {
        if let Some(place) = self.place(service) {
            return place;
        }
        let place = self.levels.add();
        self.accounts.push(Account::new(service.clone()));
        self.places.insert(service.clone(), place);
        place
    }

    pub(super) fn account_mut(&mut self, place: Place) -> &mut Account {
        &mut self.accounts[place.index()]
    }
}
