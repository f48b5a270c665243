//! What callers and nodes do to a pool, and what must hold of every answer.

use weir_domain::amount::Tokens;
use weir_domain::desk::{Release, Reserve};
use weir_domain::ids::{HoldId, ReservationId, ServiceId, SliceId};
use weir_domain::ledger::invariants as promises;
use weir_domain::ledger::{Refusal, Retry, Seal, Settle};

use super::{Checked, Pool, mint, node, pick, quantity, text};
use crate::clients::{Held, Unacknowledged};
use crate::retry;
use crate::terms::service;

impl Pool {
    pub(super) fn reserve(&mut self, reservation: ReservationId, who: ServiceId, tokens: Tokens) -> Checked {
        self.desk.advance(self.now);
        self.clients.reserved.push((reservation, who.clone(), tokens));
        let ask = Reserve { reservation, service: who.clone(), need: quantity(tokens) };
        let answer = self.desk.reserve(&ask);
        match answer.what {
            Ok(admitted) => {
                self.seen.admitted += 1;
                self.seen.shadowed += usize::from(admitted.shadowed.is_some());
                let held = Held { hold: admitted.hold, service: who, used: None };
                let known = |other: &Held| other.hold == admitted.hold;
                let clients = &mut self.clients;
                let again =
                    clients.held.iter().any(known) || clients.waiting.iter().any(|(held, _)| known(held));
                if !again {
                    clients.waiting.push((held, answer.after));
                }
                let again = self.desk.reserve(&ask).what;
                let same = again.as_ref().is_ok_and(|again| again.hold == admitted.hold);
                if same { Ok(()) } else { Err(format!("idempotence: {ask:?} again is {again:?}")) }
            }
            Err(refusal) => self.refused(&ask, &refusal),
        }
    }

    pub(super) fn refused(&mut self, ask: &Reserve, refusal: &Refusal) -> Checked {
        self.seen.told_when += usize::from(refusal.retry().instant().is_some());
        self.seen.told_never += usize::from(refusal.retry() == Retry::Never);
        self.mirror_events();
        if matches!(refusal, Refusal::CapacityUsed(_)) {
            let now = self.desk.ledger().at();
            self.guarantee.invariant_guarantee(&ask.service, ask.need.tokens, now).map_err(text)?;
        }
        retry::check(&self.desk, ask, refusal)
    }

    pub(super) fn reserve_again(&mut self, which: usize, tokens: Option<u64>) -> Checked {
        let Some((reservation, who, before)) = pick(&self.clients.reserved, which).cloned() else {
            return Ok(());
        };
        self.reserve(reservation, who, tokens.map_or(before, Tokens::new))
    }

    pub(super) fn settle(&mut self, hold: HoldId, who: &ServiceId, used: Tokens) -> Result<bool, String> {
        self.desk.advance(self.now);
        let settle = Settle { hold, service: who.clone(), used: quantity(used) };
        let answer = self.desk.settle(&settle);
        promises::invariant_settled_once(self.desk.ledger(), &settle).map_err(text)?;
        if answer.what {
            if let Some(before) = self.clients.charged.insert(hold, (who.clone(), used)) {
                return Err(format!("idempotence: {hold} was charged {before:?}, and {used} now"));
            }
            let (who, after) = (who.clone(), answer.after);
            self.clients.unacknowledged.push(Unacknowledged { hold, service: who, used, after });
        }
        Ok(answer.what)
    }

    pub(super) fn settle_one(&mut self, which: usize, used: Tokens) -> Checked {
        let open: Vec<_> =
            (0..self.clients.held.len()).filter(|at| self.clients.held[*at].used.is_none()).collect();
        let Some(at) = pick(&open, which).copied() else { return Ok(()) };
        let held = self.clients.held[at].clone();
        self.clients.held[at].used = Some(used);
        let late = !self.desk.ledger().is_open(held.hold.slice());
        self.seen.late_settles += usize::from(late);
        if self.settle(held.hold, &held.service, used)? {
            Ok(())
        } else {
            Err(format!("settle: {held:?} was never settled, and is not charged"))
        }
    }

    pub(super) fn settle_again(&mut self, which: usize, used: Tokens) -> Checked {
        let settled = self.clients.held.iter().filter(|held| held.used.is_some());
        let settled: Vec<_> = settled.filter(|held| self.clients.charged.contains_key(&held.hold)).collect();
        let Some(held) = pick(&settled, which).map(|held| Held::clone(held)) else { return Ok(()) };
        if self.settle(held.hold, &held.service, used)? {
            return Err(format!("idempotence: {held:?} is charged again"));
        }
        Ok(())
    }

    pub(super) fn settle_self_granted(&mut self, who: usize, held: u64, used: u64) -> Checked {
        self.minted += 1;
        let slice = SliceId::self_granted(u32::try_from(self.minted).unwrap(), self.now);
        let hold = HoldId::try_pack(slice, 0, Tokens::new(held)).unwrap();
        let used = Tokens::new(used);
        self.clients.held.push(Held { hold, service: service(who), used: Some(used) });
        self.settle(hold, &service(who), used).map(|_| ())
    }

    pub(super) fn release(&mut self, which: usize) -> Checked {
        let open: Vec<_> =
            (0..self.clients.held.len()).filter(|at| self.clients.held[*at].used.is_none()).collect();
        let Some(at) = pick(&open, which).copied() else { return Ok(()) };
        let held = self.clients.held[at].clone();
        self.clients.held[at].used = Some(Tokens::ZERO);
        self.desk.advance(self.now);
        let answer = self.desk.release(&Release::Hold(held.hold), &held.service);
        if !answer.what {
            return Err(format!("settle: {held:?} cannot be given back"));
        }
        self.clients.charged.insert(held.hold, (held.service.clone(), Tokens::ZERO));
        let Held { hold, service, .. } = held;
        self.clients.unacknowledged.push(Unacknowledged {
            hold,
            service,
            used: Tokens::ZERO,
            after: answer.after,
        });
        Ok(())
    }

    pub(super) fn extend(&mut self, which: usize) {
        self.desk.advance(self.now);
        if let Some(held) = pick(&self.clients.held, which) {
            self.desk.extend(held.hold);
        }
    }

    pub(super) fn redeclare(&mut self, which: usize) {
        self.desk.advance(self.now);
        if let Some(held) = pick(&self.clients.held, which).cloned() {
            self.desk.redeclare(held.hold, &held.service);
        }
    }

    pub(super) fn node_draw(&mut self, who: &ServiceId, tokens: Tokens) -> Checked {
        self.desk.advance(self.now);
        self.minted += 1;
        let (reservation, need) = (mint(self.now, self.minted), quantity(tokens));
        let (ask, ahead) = (Reserve { reservation, service: who.clone(), need }, quantity(Tokens::new(200)));
        let answer = self.desk.draw(&node(), &ask, ahead);
        if let Ok(given) = answer.what {
            let again = self.desk.draw(&node(), &ask, ahead).what;
            if again != Ok(given) {
                return Err(format!("idempotence: {ask:?} again is {again:?}, and was {given:?}"));
            }
            let drawn = given.quantity.tokens;
            if drawn < tokens {
                return Err(format!("conservation: {tokens} needed, {drawn} drawn"));
            }
            self.clients.waiting_slices.push((given.slice, who.clone(), drawn, answer.after));
        }
        Ok(())
    }

    /// The node hands out one hold of its slice and returns the rest, if the slice has not lapsed.
    pub(super) fn node_return(&mut self, which: usize, handed: u64) {
        if self.clients.slices.is_empty() {
            return;
        }
        let place = which % self.clients.slices.len();
        let (slice, who, tokens, holds) = self.clients.slices.swap_remove(place);
        let handed = Tokens::new(handed.min(tokens.get()));
        let hold = HoldId::try_pack(slice, holds, handed).unwrap();
        self.clients.held.push(Held { hold, service: who, used: None });
        self.desk.advance(self.now);
        let free = quantity(tokens.saturating_sub(handed));
        self.desk.return_slice(&node(), &Seal { slice, free, holds: holds + 1 });
    }
}
