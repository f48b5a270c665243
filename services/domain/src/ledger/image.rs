//! A ledger as plain data, for snapshots: a cache of what the journal says, never a truth.

use std::collections::BTreeSet;

use crate::bucket::{Bucket, Level, Plan};
use crate::budget::BudgetState;
use crate::ids::{ServiceId, SliceId};
use crate::ledger::levels::{Levels, LevelsImage, Place};
use crate::ledger::slice::{Marks, RecycledMarks, Slice, SliceState};
use crate::ledger::{Account, Holder, Ledger, PoolTerms, Quantity, Totals};
use crate::table::Table;
use crate::time::Timestamp;

/// A ledger, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerImage {
    /// What was decided.
    pub terms: PoolTerms,
    /// Whether the pool was ever defined.
    pub opened: bool,
    /// Every bucket but those of borrowing.
    pub levels: LevelsImage,
    /// By place.
    pub accounts: Vec<AccountImage>,
    /// Those that are not over, in order of their ids.
    pub slices: Vec<SliceImage>,
    /// The newest slice.
    pub last_slice: Option<SliceId>,
    /// The newest self-granted slice that was forgotten.
    pub forgotten: Option<SliceId>,
}

/// An account, whole. Its plans follow from the terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountImage {
    /// Whose.
    pub service: ServiceId,
    /// The last level that is known of what it may borrow.
    pub borrow_level: Level,
    /// When that was the level.
    pub borrow_at: Timestamp,
    /// How that refills.
    pub borrow_plan: Plan,
    /// What the level would be had it never borrowed, as last known.
    pub unborrowed_level: Level,
    /// When that would have been the level.
    pub unborrowed_at: Timestamp,
    /// Its budgets, with those of an allocation that is gone.
    pub budgets: Vec<BudgetState>,
    /// In slices now.
    pub outstanding: Quantity,
    /// How many of its slices have lapsed.
    pub lapses: u64,
    /// Sums since the beginning.
    pub totals: Totals,
}

/// A slice, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceImage {
    /// Its id.
    pub id: SliceId,
    /// Whose, by place.
    pub place: Place,
    /// Who hands it out.
    pub holder: Option<Holder>,
    /// Where it is in its life.
    pub state: SliceState,
    /// Drawn and neither settled nor given back.
    pub outstanding: Quantity,
    /// The part that is borrowed.
    pub borrowed: Level,
    /// The part that no limit had room for.
    pub unenforced: Level,
    /// The numbers of its settled holds, 64 a word from the lowest bit; zeros at the end left out.
    pub settled: Vec<u64>,
    /// The how-manieth of its account's slices it was to lapse, from 1; 0 if it has not.
    pub lapse_number: u64,
}

impl Ledger {
    /// The ledger as plain data.
    pub fn image(&self) -> LedgerImage {
        let mut slices: Vec<_> = self.slices.iter().map(|(id, slice)| slice_image(*id, slice)).collect();
        slices.sort_unstable_by_key(|slice| slice.id);
        LedgerImage {
            terms: self.terms.clone(),
            opened: self.opened,
            levels: self.levels.image(),
            accounts: self.accounts.iter().map(account_image).collect(),
            slices,
            last_slice: self.last_slice,
            forgotten: self.forgotten,
        }
    }

    /// The ledger that an image was made of.
    pub fn from_image(image: LedgerImage) -> Self {
        let slices: Table<SliceId, Slice> = image.slices.into_iter().map(slice_of_image).collect();
        let lapsed = slices.iter().filter(|(_, slice)| slice.state == SliceState::Lapsed).map(|(id, _)| *id);
        let (self_granted, lapsed): (BTreeSet<SliceId>, BTreeSet<SliceId>) =
            lapsed.partition(|slice| slice.is_self_granted());
        let mut accounts: Vec<Account> =
            image.accounts.into_iter().map(|account| account_of_image(account, &image.terms)).collect();
        for slice in slices.values().filter(|slice| slice.state == SliceState::Lapsed) {
            let account = &mut accounts[slice.place.index()];
            account.in_lapsed = account.in_lapsed.plus(slice.outstanding());
        }
        let place = |(number, account): (usize, &Account)| {
            let number = u32::try_from(number).expect("places are numbered in 32 bits");
            (account.service.clone(), Place::new(number))
        };
        Self {
            places: accounts.iter().enumerate().map(place).collect(),
            terms: image.terms,
            opened: image.opened,
            levels: Levels::from_image(image.levels),
            accounts,
            slices,
            recycled: RecycledMarks::default(),
            lapsed,
            self_granted,
            last_slice: image.last_slice,
            forgotten: image.forgotten,
        }
    }
}

fn account_image(account: &Account) -> AccountImage {
    AccountImage {
        service: account.service.clone(),
        borrow_level: account.borrow.level(),
        borrow_at: account.borrow.at(),
        borrow_plan: account.borrow_plan.clone(),
        unborrowed_level: account.unborrowed.level(),
        unborrowed_at: account.unborrowed.at(),
        budgets: account.budgets.clone(),
        outstanding: account.outstanding,
        lapses: account.lapses,
        totals: account.totals,
    }
}

fn account_of_image(image: AccountImage, terms: &PoolTerms) -> Account {
    Account {
        terms: terms.allocations().get(&image.service).cloned(),
        service: image.service,
        borrow: Bucket::new(image.borrow_level, image.borrow_at),
        borrow_plan: image.borrow_plan,
        unborrowed: Bucket::new(image.unborrowed_level, image.unborrowed_at),
        budgets: image.budgets,
        outstanding: image.outstanding,
        in_lapsed: Quantity::ZERO,
        lapses: image.lapses,
        totals: image.totals,
    }
}

fn slice_image(id: SliceId, slice: &Slice) -> SliceImage {
    SliceImage {
        id,
        place: slice.place,
        holder: slice.holder().cloned(),
        state: slice.state,
        outstanding: Quantity { tokens: slice.tokens, money: slice.money },
        borrowed: slice.borrowed,
        unenforced: slice.unenforced,
        settled: slice.settled.words(),
        lapse_number: slice.lapse_number,
    }
}

fn slice_of_image(image: SliceImage) -> (SliceId, Slice) {
    let slice = Slice {
        place: image.place,
        holder: image.holder.map(Box::new),
        state: image.state,
        tokens: image.outstanding.tokens,
        borrowed: image.borrowed,
        unenforced: image.unenforced,
        money: image.outstanding.money,
        settled: Marks::from_words(&image.settled),
        lapse_number: image.lapse_number,
    };
    (image.id, slice)
}
