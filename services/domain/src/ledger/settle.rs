//! What replaces holds, ends slices and marks periods. None of it can be refused: it already happened.

use crate::amount::{Money, Tokens};
use crate::ids::{HoldId, ServiceId, SliceId};
use crate::ledger::levels::Place;
use crate::ledger::slice::SliceState;
use crate::ledger::{Ledger, Moved, Movement, Seal, Settle, Settlement};

impl Ledger {
    /// Settles a hold; none if it was settled before. A slice that is not known here is charged in full, as debt. Whoever
    /// handed the hold out may remember its true id, and how much money it held; where nobody does it held what its id
    /// says, and its part of the slice's money.
    pub fn settle(
        &self,
        settle: &Settle,
        handed_out: Option<(HoldId, Money)>,
        metered: bool,
    ) -> Option<Movement> {
        let Settle { hold, used, .. } = *settle;
        let service = match self.slices.get(&hold.slice()) {
            Some(slice) if slice.has_settled(hold.number()) => return None,
            Some(slice) => self.account_at(slice.place).service(),
            None if self.settlement_of(hold) == Settlement::Settled => return None,
            None => self.charged_for(&settle.service),
        };
        let (hold, held) = handed_out.unwrap_or_else(|| (hold, self.money_of(hold.slice(), hold.tokens())));
        Some(self.moved(service, Moved::Settled { hold, held, used, metered }))
    }

    /// The money that goes with so many tokens of a slice, where nobody remembers it.
    pub fn money_of(&self, slice: SliceId, tokens: Tokens) -> Money {
        self.slices.get(&slice).map_or(Money::ZERO, |slice| slice.money_of(tokens))
    }

    /// Seals a slice; none if it is not open.
    pub fn seal(&self, seal: &Seal) -> Option<Movement> {
        let service = self.open_slice(seal.slice)?;
        let Seal { slice, free, holds } = *seal;
        Some(self.moved(service, Moved::Sealed { slice, free, holds }))
    }

    /// Counts a slice as spent; none if it is counted so, or over.
    pub fn lapse(&self, slice: SliceId) -> Option<Movement> {
        let found = self.slices.get(&slice).filter(|slice| slice.state != SliceState::Lapsed)?;
        let service = &self.account_at(found.place).service;
        Some(self.moved(service, Moved::Lapsed { slice }))
    }

    /// A budget whose period is over at the ledger's time, opened anew; none if there is none. Ask again until then.
    pub fn open_budget(&self, place: Place) -> Option<Movement> {
        let account = self.account_at(place);
        let due =
            |budget: &crate::budget::BudgetState| Some((budget.budget.id.clone(), budget.opens(self.at())?));
        let (budget, period) = account.budgets.iter().find_map(due)?;
        Some(self.moved(&account.service, Moved::BudgetOpened { budget, period }))
    }

    /// A threshold that was reached and not told yet; none if there is none. Ask again until then.
    pub fn reach_threshold(&self, place: Place) -> Option<Movement> {
        let account = self.account_at(place);
        let reached = |budget: &crate::budget::BudgetState| {
            let percent = budget.reached(account.outstanding_unlapsed()).next()?;
            Some((budget.budget.id.clone(), percent))
        };
        let (budget, percent) = account.budgets.iter().find_map(reached)?;
        Some(self.moved(&account.service, Moved::ThresholdReached { budget, percent }))
    }

    fn open_slice(&self, slice: SliceId) -> Option<&ServiceId> {
        let found = self.slices.get(&slice).filter(|slice| slice.state == SliceState::Open)?;
        Some(&self.account_at(found.place).service)
    }
}
