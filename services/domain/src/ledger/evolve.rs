//! How events change a ledger. Cannot fail; an event that comes twice changes nothing the second time.

use crate::amount::Tokens;
use crate::bucket::Level;
use crate::ids::{BudgetId, HoldId, ServiceId, SliceId};
use crate::ledger::levels::Place;
use crate::ledger::slice::{Marks, Refund, Slice, SliceState};
use crate::ledger::state::LAPSED_MAX;
use crate::ledger::{Drawn, Event, Known, Ledger, Moved, Movement, Quantity};

impl Ledger {
    /// Makes an event so.
    pub fn evolve(&mut self, event: &Event) {
        match event {
            Event::Moved(movement) => self.evolve_moved(movement),
            Event::Governed(governed) => self.evolve_governed(governed),
        }
    }

    /// Makes a movement so.
    pub fn evolve_moved(&mut self, movement: &Movement) {
        self.advance(movement.at);
        let service = &movement.service;
        match &movement.what {
            Moved::Drawn(drawn) => self.evolve_drawn(service, drawn),
            Moved::Settled { hold, used, .. } => self.evolve_settled(service, *hold, *used),
            Moved::Sealed { slice, free, holds } => self.evolve_sealed(*slice, *free, *holds),
            Moved::Lapsed { slice } => self.evolve_lapsed(*slice),
            Moved::BudgetOpened { budget, period } => {
                self.with_budget(service, budget, |budget| {
                    if budget.period.is_none_or(|before| before.start() < period.start()) {
                        budget.open(*period);
                    }
                });
            }
            Moved::ThresholdReached { budget, percent } => {
                self.with_budget(service, budget, |budget| budget.told(*percent));
            }
            Moved::Shadowed { .. } => {}
        }
    }

    fn with_budget(
        &mut self,
        service: &ServiceId,
        id: &BudgetId,
        change: impl FnOnce(&mut crate::budget::BudgetState),
    ) {
        let place = self.open_account(service);
        if let Some(budget) =
            self.account_mut(place).budgets.iter_mut().find(|budget| budget.budget.id == *id)
        {
            change(budget);
        }
    }

    fn evolve_drawn(&mut self, service: &ServiceId, drawn: &Drawn) {
        if self.last_slice.is_some_and(|last| drawn.slice <= last) {
            return;
        }
        self.last_slice = Some(drawn.slice);
        let place = self.open_account(service);
        let whole = Level::from_tokens(drawn.tokens);
        self.levels.take(place, whole.minus(drawn.borrowed).minus(drawn.unenforced));
        self.levels.take_pool(whole);
        let at = self.at();
        let account = self.account_mut(place);
        account.borrow.take(&account.borrow_plan, drawn.borrowed, at);
        account.outstanding = account.outstanding.plus(Quantity { tokens: drawn.tokens, money: drawn.money });
        account.totals.outstanding += drawn.tokens;
        account.totals.drawn += drawn.tokens;
        let Drawn { slice, holder, tokens, borrowed, unenforced, money } = drawn.clone();
        let (state, settled) = (SliceState::Open, Marks::default());
        self.slices
            .insert(slice, Slice { place, holder, state, tokens, borrowed, unenforced, money, settled });
    }

    fn evolve_settled(&mut self, service: &ServiceId, hold: HoldId, used: Quantity) {
        match self.known(hold) {
            Known::Settled => return,
            Known::Foreign => self.take_in(service, hold.slice()),
            Known::Outstanding => {}
        }
        let Some(slice) = self.slices.get_mut(&hold.slice()) else { return };
        slice.settled.mark(hold.number());
        let held = hold.tokens().min(slice.tokens);
        let covered = used.tokens.min(held);
        slice.use_up(covered);
        let rest = held.saturating_sub(covered);
        let refund = if slice.state == SliceState::Open { Refund::default() } else { slice.give_back(rest) };
        let money = used.money.min(slice.money);
        slice.money = slice.money.saturating_sub(money);
        let (place, over, lapsed) = (slice.place, slice.is_over(), slice.state == SliceState::Lapsed);
        let returned = refund.total().available();
        let account = self.account_mut(place);
        let no_longer = Quantity { tokens: covered + returned, money };
        account.no_longer_outstanding(no_longer);
        let mut uncounted = used;
        if lapsed {
            account.lapsed = account.lapsed.less(no_longer);
            uncounted = used.less(Quantity { tokens: covered, money });
        }
        account.totals.settled += used.tokens;
        account.totals.returned += returned;
        account.budgets.iter_mut().for_each(|budget| budget.settle(uncounted));
        self.refund(place, refund);
        self.owe(place, used.tokens.saturating_sub(covered));
        if over {
            self.forget(hold.slice());
        }
    }

    /// Takes in a slice that was not drawn here, so that its holds are charged once.
    fn take_in(&mut self, service: &ServiceId, slice: SliceId) {
        let place = self.open_account(service);
        self.slices.insert(slice, Slice::foreign(place));
        self.remember_lapsed(slice);
    }

    /// What was used above a hold is taken from the guarantee, or from what may be borrowed where there is none, below zero
    /// if need be; and from the pool.
    fn owe(&mut self, place: Place, excess: Tokens) {
        if excess == Tokens::ZERO {
            return;
        }
        let (at, amount) = (self.at(), Level::from_tokens(excess));
        self.levels.take_pool(amount);
        if self.levels.plan(place).at(at).rate.get() > 0 {
            self.levels.take(place, amount);
        } else {
            let account = self.account_mut(place);
            account.borrow.take(&account.borrow_plan, amount, at);
        }
        self.account_mut(place).totals.overdrawn += excess;
    }

    fn refund(&mut self, place: Place, refund: Refund) {
        let at = self.at();
        self.levels.put_pool(refund.total());
        self.levels.put(place, refund.guaranteed);
        let account = self.account_mut(place);
        account.borrow.put(&account.borrow_plan, refund.borrowed, at);
    }

    fn evolve_sealed(&mut self, id: SliceId, free: Quantity, holds: u32) {
        let Some(slice) = self.slices.get_mut(&id).filter(|slice| slice.state == SliceState::Open) else {
            return;
        };
        slice.state = SliceState::Sealed { holds };
        let refund = slice.give_back(free.tokens);
        let money = free.money.min(slice.money);
        slice.money = slice.money.saturating_sub(money);
        let (place, over) = (slice.place, slice.is_over());
        let returned = refund.total().available();
        let account = self.account_mut(place);
        account.no_longer_outstanding(Quantity { tokens: returned, money });
        account.totals.returned += returned;
        self.refund(place, refund);
        if over {
            self.forget(id);
        }
    }

    fn evolve_lapsed(&mut self, id: SliceId) {
        let Some(slice) = self.slices.get_mut(&id).filter(|slice| slice.state != SliceState::Lapsed) else {
            return;
        };
        slice.state = SliceState::Lapsed;
        let (place, rest) = (slice.place, slice.outstanding());
        let account = self.account_mut(place);
        account.lapsed = account.lapsed.plus(rest);
        account.budgets.iter_mut().for_each(|budget| budget.settle(rest));
        self.remember_lapsed(id);
    }

    fn remember_lapsed(&mut self, id: SliceId) {
        let remembered = if id.is_self_granted() { &mut self.self_granted } else { &mut self.lapsed };
        remembered.insert(id);
        let oldest = (remembered.len() > LAPSED_MAX).then(|| remembered.first().copied()).flatten();
        if let Some(oldest) = oldest {
            if oldest.is_self_granted() {
                self.forgotten = self.forgotten.max(Some(oldest));
            }
            self.forget(oldest);
        }
    }

    /// What is still outstanding of a slice that is over was money only; of a lapsed one it counts as spent.
    fn forget(&mut self, id: SliceId) {
        self.lapsed.remove(&id);
        self.self_granted.remove(&id);
        let Some(slice) = self.slices.remove(&id) else { return };
        let account = self.account_mut(slice.place);
        if slice.state == SliceState::Lapsed {
            account.lapsed = account.lapsed.less(slice.outstanding());
        }
        account.no_longer_outstanding(Quantity { tokens: slice.tokens, money: slice.money });
        account.totals.lapsed += slice.tokens;
    }
}
