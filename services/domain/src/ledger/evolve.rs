//! How events change a ledger. Cannot fail; an event that comes twice changes nothing the second time.

use crate::amount::Money;
use crate::bucket::Level;
use crate::ids::{BudgetId, HoldId, ServiceId, SliceId};
use crate::ledger::levels::Place;
use crate::ledger::slice::{Marks, Refund, Slice, SliceState};
use crate::ledger::state::LAPSED_MAX;
use crate::ledger::{Drawn, Event, Ledger, Moved, Movement, Quantity, Settlement};

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
            Moved::Settled { hold, held, used, .. } => self.evolve_settled(service, *hold, *held, *used),
            Moved::Sealed { slice, free, holds } => self.evolve_sealed(*slice, *free, *holds),
            Moved::Lapsed { slice } => self.evolve_lapsed(*slice),
            Moved::BudgetOpened { budget, period } => {
                let lapses = self.account(service).map_or(0, |account| account.lapses);
                self.with_budget(service, budget, |budget| {
                    if budget.period.is_none_or(|before| before.start() < period.start()) {
                        budget.open(*period, lapses);
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
        self.levels.take_pool(whole.minus(drawn.unenforced));
        let at = self.at();
        let account = self.account_mut(place);
        account.borrow.take(&account.borrow_plan, drawn.borrowed, at);
        account.outstanding = account.outstanding.plus(Quantity { tokens: drawn.tokens, money: drawn.money });
        account.totals.outstanding += drawn.tokens;
        account.totals.drawn += drawn.tokens;
        let Drawn { slice, holder, tokens, borrowed, unenforced, money } = drawn.clone();
        let holder = holder.map(Box::new);
        let (state, settled, lapse_number) = (SliceState::Open, Marks::default(), 0);
        self.slices.insert(
            slice,
            Slice { place, holder, state, tokens, borrowed, unenforced, money, settled, lapse_number },
        );
    }

    fn evolve_settled(&mut self, service: &ServiceId, hold: HoldId, held: Money, used: Quantity) {
        match self.settlement_of(hold) {
            Settlement::Settled => return,
            Settlement::Foreign => self.take_in(service, hold.slice()),
            Settlement::Outstanding => {}
        }
        let Some(slice) = self.slices.get_mut(&hold.slice()) else { return };
        let charged = slice.charge(hold, held, used, &mut self.recycled);
        let (place, lapse_number, over) = (slice.place, slice.lapse_number, slice.is_over());
        self.account_mut(place).settle(used, charged, lapse_number);
        if charged.unenforced > Level::ZERO {
            self.levels.take_pool(charged.unenforced);
        }
        self.refund(place, charged.refund);
        self.owe(place, used.tokens.saturating_sub(charged.covered.tokens));
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

    fn refund(&mut self, place: Place, refund: Refund) {
        if refund.of_pool() == Level::ZERO {
            return;
        }
        let at = self.at();
        self.levels.put_pool(refund.of_pool());
        self.levels.put(place, refund.guaranteed);
        let account = self.account_mut(place);
        account.borrow.put(&account.borrow_plan, refund.borrowed, at);
    }

    fn evolve_sealed(&mut self, id: SliceId, free: Quantity, holds: u32) {
        let Some(slice) = self.slices.get_mut(&id).filter(|slice| slice.state == SliceState::Open) else {
            return;
        };
        let refund = slice.seal(holds, free);
        let (place, over, back) = (slice.place, slice.is_over(), refund.quantity());
        let account = self.account_mut(place);
        account.no_longer_outstanding(back);
        account.totals.returned += back.tokens;
        self.refund(place, refund);
        if over {
            self.forget(id);
        }
    }

    fn evolve_lapsed(&mut self, id: SliceId) {
        let Some(slice) = self.slices.get_mut(&id).filter(|slice| slice.state != SliceState::Lapsed) else {
            return;
        };
        let (place, rest) = (slice.place, slice.outstanding());
        let lapse_number = self.account_mut(place).lapse(rest);
        if let Some(slice) = self.slices.get_mut(&id) {
            (slice.state, slice.lapse_number) = (SliceState::Lapsed, lapse_number);
        }
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

    /// Nothing is left of a slice that is over; what is left of a lapsed one is spent for good.
    fn forget(&mut self, id: SliceId) {
        self.lapsed.remove(&id);
        self.self_granted.remove(&id);
        let Some(slice) = self.slices.remove(&id) else { return };
        let (account, rest) = (self.account_mut(slice.place), slice.outstanding());
        account.in_lapsed = account.in_lapsed.less(rest);
        account.no_longer_outstanding(rest);
        account.totals.lapsed += rest.tokens;
        self.recycled.keep(slice.settled);
    }
}
