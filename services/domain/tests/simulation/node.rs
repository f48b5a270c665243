//! A quota node at work: its desk, what it answers, and what it should know of the holds that are under way.
//!
//! Keeps books of its own of what it admitted in this life, so that a repetition and a limit on requests under way are
//! judged by somebody else than the desk.

use std::collections::{BTreeMap, BTreeSet};

use weir_domain::amount::{Money, Tokens};
use weir_domain::budget::{Budget, BudgetLimit};
use weir_domain::desk::{Answer, Desk, HOLD_LIFETIME, Mark, NodeSlice, RESERVATION_WINDOW, Release, Reserve};
use weir_domain::ids::{HoldId, NodeId, ReservationId, ServiceId, SliceId};
use weir_domain::ledger::{Event, Ledger, Quantity, Refusal, Settle, SliceState};
use weir_domain::policy::{Enforcement, Terms};
use weir_domain::time::Timestamp;

use crate::messages::{Ask, Tell};
use crate::seen::Seen;

/// What a token costs where money is counted, in nano-units.
pub(crate) const PRICE: u64 = 1_000;

/// An answer that waits for the journal.
pub(crate) struct Waiting {
    pub(crate) after: Mark,
    pub(crate) to: usize,
    pub(crate) tell: Tell,
}

pub(crate) struct Node {
    pub(crate) desk: Desk,
    pub(crate) appending: Option<(Mark, Vec<Event>)>,
    pub(crate) waiting: Vec<Waiting>,
    /// What was admitted or refused last, to be looked at when what it brought is seen.
    pub(crate) admitted_last: Option<HoldId>,
    pub(crate) refused_last: Option<(Reserve, Refusal)>,
    ticked: Timestamp,
    under_way: BTreeMap<HoldId, (ServiceId, Timestamp)>,
    admitted: BTreeMap<ReservationId, HoldId>,
    drawn: BTreeMap<ReservationId, NodeSlice>,
    /// Slices that gateways had from the node before this one.
    drawn_before: BTreeMap<ReservationId, SliceId>,
    released: BTreeSet<ReservationId>,
    settled: BTreeSet<HoldId>,
}

impl Node {
    pub(crate) fn new(ledger: Ledger, now: Timestamp) -> Self {
        let open = ledger.slices().filter(|(_, slice)| slice.state() == SliceState::Open);
        let at_gateways = open.filter_map(|(id, slice)| Some((slice.holder()?.reservation, id)));
        Self {
            drawn_before: at_gateways.collect(),
            desk: Desk::new(ledger, now),
            appending: None,
            waiting: Vec::new(),
            admitted_last: None,
            refused_last: None,
            ticked: now,
            under_way: BTreeMap::new(),
            admitted: BTreeMap::new(),
            drawn: BTreeMap::new(),
            released: BTreeSet::new(),
            settled: BTreeSet::new(),
        }
    }

    /// Time passes; slices and holds are looked after if that is as overdue as said.
    pub(crate) fn pass(&mut self, now: Timestamp, overdue_ms: i64, seen: &mut Seen) {
        self.desk.advance(now);
        if now.as_millis() - self.ticked.as_millis() >= overdue_ms {
            let before = self.desk.holds();
            self.desk.tick();
            seen.expired += before - self.desk.holds();
            self.ticked = now;
        }
    }

    /// Answers what a gateway asks.
    pub(crate) fn answer(
        &mut self,
        from: &NodeId,
        ask: Ask,
        seen: &mut Seen,
    ) -> Result<Answer<Tell>, String> {
        match ask {
            Ask::Reserve { reservation, service, tokens } => {
                let need = self.priced(&service, tokens);
                self.reserve(Reserve { reservation, service, need }, seen)
            }
            Ask::Settle { hold, service, used } => Ok(self.settle(hold, service, used, seen)),
            Ask::Release { what, service } => Ok(self.release(&what, &service, seen)),
            Ask::Extend { hold, service } => self.extend(hold, service),
            Ask::Draw { reservation, service, need, ahead } => {
                let (need, ahead) = (self.priced(&service, need), self.priced(&service, ahead));
                self.draw(from, &Reserve { reservation, service, need }, ahead, seen)
            }
            Ask::Return(seal) => {
                let after = self.desk.return_slice(from, &seal).after;
                Ok(Answer { what: Tell::Returned(seal.slice), after })
            }
        }
    }

    fn terms(&self, service: &ServiceId) -> Option<&Terms> {
        self.desk.ledger().account(service)?.terms()
    }

    /// Tokens, with what they cost where that counts.
    fn priced(&self, service: &ServiceId, tokens: Tokens) -> Quantity {
        let in_money = |budget: &Budget| matches!(budget.limit, BudgetLimit::Money(..));
        let counts = self.terms(service).is_some_and(|terms| terms.budgets.iter().any(in_money));
        let money = if counts { Money::new(tokens.get() * PRICE) } else { Money::ZERO };
        Quantity { tokens, money }
    }

    fn draw(
        &mut self,
        from: &NodeId,
        ask: &Reserve,
        ahead: Quantity,
        seen: &mut Seen,
    ) -> Result<Answer<Tell>, String> {
        let (reservation, need) = (ask.reservation, ask.need);
        let Answer { what: drawn, after } = self.desk.draw(from, ask, ahead);
        if let Ok(now) = drawn {
            let before_crash = self.drawn_before.get(&reservation);
            match self.drawn.insert(reservation, now) {
                Some(before) if before != now => {
                    return Err(format!("idempotence: {reservation} drew {before:?}, and now {now:?}"));
                }
                None if before_crash.is_some_and(|slice| *slice != now.slice) => {
                    return Err(format!("idempotence: {reservation} drew {before_crash:?}, and now {now:?}"));
                }
                None if before_crash.is_none() && !now.quantity.covers(need) => {
                    return Err(format!("conservation: {need:?} was needed, {now:?} is drawn"));
                }
                None if before_crash.is_none() => {}
                _ => seen.drawn_again += 1,
            }
        }
        Ok(Answer { what: Tell::Drawn { reservation, drawn }, after })
    }

    fn reserve(&mut self, ask: Reserve, seen: &mut Seen) -> Result<Answer<Tell>, String> {
        let reservation = ask.reservation;
        let answer = self.desk.reserve(&ask);
        let known = self.admitted.get(&reservation).copied();
        match &answer.what {
            Ok(admitted) if self.settled.contains(&admitted.hold) => {
                return Err(format!("settle: {reservation} is admitted with {admitted:?}, which is settled"));
            }
            Ok(admitted) if known == Some(admitted.hold) && !self.released.contains(&reservation) => {
                seen.repeated += 1;
            }
            Ok(admitted) if known.is_some() => {
                return Err(format!("idempotence: {reservation} was {known:?}, now {admitted:?}"));
            }
            Ok(admitted) if self.released.contains(&reservation) => {
                return Err(format!("idempotence: {reservation} was released, and holds {admitted:?}"));
            }
            Ok(admitted) => {
                seen.admitted += 1;
                seen.shadowed += usize::from(admitted.shadowed.is_some());
                self.begin(&ask, admitted.hold)?;
            }
            Err(refusal) => self.refuse(ask, refusal.clone(), seen)?,
        }
        Ok(Answer { what: Tell::Decided { reservation, decision: answer.what }, after: answer.after })
    }

    /// A hold that is new. No more are under way than may be.
    fn begin(&mut self, ask: &Reserve, hold: HoldId) -> Result<(), String> {
        let now = self.desk.ledger().at();
        let enforced = self.terms(&ask.service).filter(|terms| terms.enforcement == Enforcement::Enforced);
        if let Some(max) = enforced.and_then(|terms| terms.in_flight_max) {
            let of_it = |(who, until): &&(ServiceId, Timestamp)| *who == ask.service && *until > now;
            let count = self.under_way.values().filter(of_it).count();
            if count >= max as usize {
                return Err(format!("limits: {} has {count} under way, and {max} may be", ask.service));
            }
        }
        self.under_way.insert(hold, (ask.service.clone(), now.plus(HOLD_LIFETIME)));
        self.admitted.insert(ask.reservation, hold);
        self.admitted_last = Some(hold);
        Ok(())
    }

    /// Whatever was kept alive counts as under way.
    pub(crate) fn check_under_way(&mut self) -> Result<(), String> {
        let now = self.desk.ledger().at();
        self.under_way.retain(|_, (_, until)| *until > now);
        let mut counts: BTreeMap<&ServiceId, u32> = BTreeMap::new();
        for (service, _) in self.under_way.values() {
            *counts.entry(service).or_default() += 1;
        }
        let short = counts.into_iter().find(|(service, count)| self.desk.in_flight(service) < *count);
        match short {
            Some((service, count)) => Err(format!("limits: {service} has {count} under way, not all count")),
            None => Ok(()),
        }
    }

    /// A refusal. None of what was admitted already and may still be asked.
    fn refuse(&mut self, ask: Reserve, refusal: Refusal, seen: &mut Seen) -> Result<(), String> {
        let minted = i64::try_from(ask.reservation.minted_at_ms()).expect("ids are of our time");
        let is_young = Timestamp::from_millis(minted).plus(RESERVATION_WINDOW) > self.desk.ledger().at();
        let held = self.admitted.get(&ask.reservation);
        if held.is_some_and(|held| !self.settled.contains(held))
            && is_young
            && !self.released.contains(&ask.reservation)
        {
            return Err(format!("idempotence: {ask:?} was admitted, and is refused by {refusal:?}"));
        }
        match refusal {
            Refusal::CapacityUsed(_) => seen.refused_for_capacity += 1,
            Refusal::BudgetUsed { .. } => seen.refused_for_budget += 1,
            Refusal::RequestsUsed { .. } => seen.refused_for_requests += 1,
            Refusal::InFlight { .. } => seen.refused_in_flight += 1,
            Refusal::ReservationStale { .. } => seen.stale += 1,
            Refusal::ReservationOver { .. } => seen.over += 1,
            _ => {}
        }
        self.refused_last = Some((ask, refusal));
        Ok(())
    }

    fn settle(&mut self, hold: HoldId, service: ServiceId, used: Tokens, seen: &mut Seen) -> Answer<Tell> {
        let is_late = !self.desk.ledger().is_open(hold.slice());
        let used = self.priced(&service, used);
        let answer = self.desk.settle(&Settle { hold, service, used });
        self.under_way.remove(&hold);
        self.settled.insert(hold);
        seen.late_settles += usize::from(answer.what && is_late);
        seen.overdrawn += usize::from(answer.what && used.tokens > hold.tokens());
        Answer { what: Tell::Settled(hold), after: answer.after }
    }

    fn release(&mut self, what: &Release, service: &ServiceId, seen: &mut Seen) -> Answer<Tell> {
        let hold = match what {
            Release::Hold(hold) => Some(*hold),
            Release::Reservation(reservation) => {
                self.released.insert(*reservation);
                self.admitted.get(reservation).copied()
            }
        };
        if let Some(hold) = hold {
            self.under_way.remove(&hold);
            self.settled.insert(hold);
        }
        let answer = self.desk.release(what, service);
        seen.released += usize::from(answer.what);
        Answer { what: Tell::Released, after: answer.after }
    }

    /// Keeps a hold alive, one that the desk has lost sight of too.
    fn extend(&mut self, hold: HoldId, service: ServiceId) -> Result<Answer<Tell>, String> {
        let is_alive = self.desk.extend(hold) || self.desk.redeclare(hold, &service);
        if is_alive && self.settled.contains(&hold) {
            return Err(format!("idempotence: {hold} is settled, and counts as under way"));
        }
        if is_alive {
            let until = self.desk.ledger().at().plus(HOLD_LIFETIME);
            self.under_way.insert(hold, (service, until));
        }
        Ok(self.desk.answer(Tell::Extended))
    }
}
