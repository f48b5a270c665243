//! How events change a ledger. Cannot fail; an event that comes twice changes nothing the second time.

use crate::amount::Tokens;
use crate::bucket::Level;
use crate::ids::ServiceId;
use crate::ledger::{Account, Ending, Event, Governed, Hold, Ledger, Moved, Movement, TermsChanged};

impl Ledger {
    /// Makes an event so.
    pub fn evolve(&mut self, event: &Event) {
        self.at = self.at.max(event.at());
        match event {
            Event::Moved(movement) => self.evolve_moved(movement),
            Event::Governed(governed) => self.evolve_governed(governed),
        }
    }

    fn evolve_moved(&mut self, movement: &Movement) {
        let (at, id, service) = (self.at, movement.hold, &movement.service);
        match movement.what {
            Moved::Held { tokens } => {
                if self.holds.begin(id, Hold { service: service.clone(), tokens, since: at }) {
                    self.draw(service, tokens);
                }
            }
            Moved::Settled { used, .. } => {
                if let Ok(hold) = self.holds.finish(id, Ending::Settled, at) {
                    self.charge(service, used, hold.map(|hold| hold.tokens));
                }
            }
            Moved::Released { .. } => {
                if let Ok(Some(hold)) = self.holds.finish(id, Ending::Released, at) {
                    self.give_back(service, hold.tokens);
                }
            }
        }
    }

    fn draw(&mut self, service: &ServiceId, tokens: Tokens) {
        self.take(service, tokens);
        let account = self.account_mut(service);
        account.holds += 1;
        account.totals.drawn += tokens;
        account.totals.held += tokens;
    }

    /// What was used above the hold is taken too, below zero if need be; what was not used is put back.
    fn charge(&mut self, service: &ServiceId, used: Tokens, held: Option<Tokens>) {
        let tokens = held.unwrap_or(Tokens::ZERO);
        let (excess, rest) = (used.saturating_sub(tokens), tokens.saturating_sub(used));
        self.take(service, excess);
        self.put(service, rest);
        let account = self.account_mut(service);
        account.holds -= u64::from(held.is_some());
        account.totals.held = account.totals.held.saturating_sub(tokens);
        account.totals.settled += used;
        account.totals.overdrawn += excess;
        account.totals.returned += rest;
    }

    fn give_back(&mut self, service: &ServiceId, tokens: Tokens) {
        self.put(service, tokens);
        let account = self.account_mut(service);
        account.holds -= 1;
        account.totals.held = account.totals.held.saturating_sub(tokens);
        account.totals.returned += tokens;
    }

    fn take(&mut self, service: &ServiceId, tokens: Tokens) {
        let (at, amount) = (self.at, Level::from_tokens(tokens));
        self.pool.take(&self.plan, amount, at);
        let account = self.account_mut(service);
        account.guarantee.take(&account.plan, amount, at);
    }

    fn put(&mut self, service: &ServiceId, tokens: Tokens) {
        let (at, amount) = (self.at, Level::from_tokens(tokens));
        self.pool.put(&self.plan, amount, at);
        let account = self.account_mut(service);
        account.guarantee.put(&account.plan, amount, at);
    }

    fn account_mut(&mut self, service: &ServiceId) -> &mut Account {
        if !self.accounts.contains_key(service) {
            self.accounts.insert(service.clone(), Account::new());
        }
        self.accounts.get_mut(service).expect("inserted above")
    }

    fn evolve_governed(&mut self, governed: &Governed) {
        let touched = self.services_touched(&governed.what);
        self.terms.evolve(&governed.what);
        if matches!(governed.what, TermsChanged::PoolDefined(_) | TermsChanged::PoolRemoved) {
            self.replan_pool();
        }
        let fill = match governed.what {
            TermsChanged::AllocationSet { .. } => Fill::FromSpare,
            _ => Fill::Nothing,
        };
        for service in touched {
            self.replan(&service, fill);
        }
    }

    fn replan_pool(&mut self) {
        let at = self.at;
        self.pool.advance(&self.plan, at);
        self.plan = self.terms.plan_of_pool();
        if !self.opened && self.terms.pool().is_some() {
            self.opened = true;
            self.pool.put(&self.plan, self.plan.at(at).depth, at);
        }
        self.pool.advance(&self.plan, at);
    }

    fn services_touched(&self, what: &TermsChanged) -> Vec<ServiceId> {
        match what {
            TermsChanged::PoolDefined(_) => Vec::new(),
            TermsChanged::PoolRemoved => self.accounts.keys().cloned().collect(),
            TermsChanged::AllocationSet { service, .. } | TermsChanged::AllocationRemoved { service } => {
                vec![service.clone()]
            }
            TermsChanged::BurstGranted(burst) => {
                let before = self.terms.bursts().get(&burst.id).map(|before| before.service.clone());
                before.into_iter().chain([burst.service.clone()]).collect()
            }
            TermsChanged::BurstRevoked { burst } => {
                self.terms.bursts().get(burst).map(|burst| burst.service.clone()).into_iter().collect()
            }
        }
    }

    /// Takes the new plan of a service. A deeper guarantee is filled from spare only, so that no other is touched.
    fn replan(&mut self, service: &ServiceId, fill: Fill) {
        let at = self.at;
        let (plan, terms) = (self.terms.plan_of(service), self.terms.allocations().get(service).copied());
        let account = self.account_mut(service);
        account.guarantee.advance(&account.plan, at);
        let deeper = plan.at(at).depth.minus(account.plan.at(at).depth);
        (account.plan, account.terms) = (plan, terms);
        account.guarantee.advance(&account.plan, at);
        let owes = account.level_at(at) < Level::ZERO;
        if fill == Fill::FromSpare && deeper > Level::ZERO && !owes {
            let filling = deeper.min(self.spare_at(at)).max(Level::ZERO);
            let account = self.account_mut(service);
            account.guarantee.put(&account.plan, filling, at);
        }
    }
}

/// Whether a guarantee that gets deeper is filled at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fill {
    Nothing,
    FromSpare,
}
