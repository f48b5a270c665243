//! The words of the stories: given a pool, when something is asked, then this is the answer.

use crate::amount::{Money, RequestsPerMinute, Tokens, TokensPerMinute};
use crate::authorship::Authorship;
use crate::burst::{Approval, Burst, Category, GrantedBurst};
use crate::desk::{Answer, Decision, Desk, NodeSlice, Reserve};
use crate::ids::{HoldId, NodeId, PoolId, ReservationId, ServiceId, SliceId};
use crate::ledger::invariants::{
    invariant_conservation, invariant_outstanding, invariant_replay, invariant_sum,
};
use crate::ledger::{Change, Event, Ledger, Moved, Quantity, Refusal, Seal, Settle};
use crate::policy::{Pool, Terms, Thresholds};
use crate::time::{Timestamp, Window};

/// A desk at work; everything it says is recorded at once unless a story says otherwise.
pub(super) struct Story {
    pub(super) desk: Desk,
    pub(super) events: Vec<Event>,
    pub(super) now: Timestamp,
    minted: u128,
}

pub(super) const BEGIN_S: i64 = 1_750_000_000;

pub(super) fn service(name: &str) -> ServiceId {
    ServiceId::try_new(name).unwrap()
}

pub(super) fn tpm(rate: u64) -> TokensPerMinute {
    TokensPerMinute::new(rate)
}

pub(super) fn quantity(tokens: u64) -> Quantity {
    Quantity { tokens: Tokens::new(tokens), money: Money::ZERO }
}

/// What budgets in money count: 10^-9 of a currency's unit.
pub(super) fn cents_of(cents: u64) -> Money {
    Money::new(cents * 10_000_000)
}

fn gateway() -> NodeId {
    NodeId::try_new("gateway-1").unwrap()
}

/// A guarantee that may not borrow, with requests as large as it likes.
pub(super) fn terms(baseline: u64) -> Terms {
    Terms::guarantee(tpm(baseline), Tokens::new(1_000))
}

/// A guarantee that may borrow up to a ceiling.
pub(super) fn may_borrow(baseline: u64, ceiling: u64) -> Terms {
    Terms { ceiling: tpm(ceiling), ..terms(baseline) }
}

impl Story {
    /// A pool of this capacity whose thresholds keep nothing from borrowers.
    pub(super) fn given_pool(capacity: u64) -> Self {
        let now = Timestamp::from_secs(BEGIN_S);
        let desk = Desk::new(Ledger::default(), now);
        let mut story = Self { desk, events: vec![], now, minted: 0 };
        let none = Thresholds { critical_percent: 0, standard_percent: 0, batch_percent: 0 };
        story.change(Change::DefinePool(Pool {
            id: PoolId::try_new("gpt").unwrap(),
            capacity: tpm(capacity),
            requests: None,
            thresholds: none,
            models: vec![],
            deployments: vec![],
        }));
        story
    }

    pub(super) fn and(mut self, name: &str, terms: Terms) -> Self {
        self.change(Change::SetAllocation { service: service(name), terms });
        self
    }

    pub(super) fn change(&mut self, change: Change) {
        let by = Authorship { author: "ada".into(), reason: "story".into(), at: self.now, commit: None };
        self.desk.change(&by, &[change], None).what.unwrap();
        self.record();
    }

    /// `chat` is granted a burst that begins and ends so many milliseconds from now.
    pub(super) fn burst(&mut self, id: &str, extra: u64, (start_ms, end_ms): (u64, u64), approval: Approval) {
        let after = |ms| self.now.plus(std::time::Duration::from_millis(ms));
        let burst = Burst {
            id: id.parse().unwrap(),
            service: service("chat"),
            pool: "gpt".parse().unwrap(),
            extra: tpm(extra),
            window: Window::try_new(after(start_ms), after(end_ms)).unwrap(),
            category: Category::Demo,
            reason: "story".into(),
            requester: "linus".into(),
        };
        self.change(Change::GrantBurst(GrantedBurst { burst, approval, approver: "grace".into() }));
    }

    pub(super) fn revoke(&mut self, id: &str) {
        self.change(Change::RevokeBurst { burst: id.parse().unwrap() });
    }

    /// So many milliseconds pass, and the desk looks after its slices.
    pub(super) fn wait_ms(&mut self, ms: u64) {
        self.now = self.now.plus(std::time::Duration::from_millis(ms));
        self.desk.advance(self.now);
        self.desk.tick();
        self.record();
    }

    pub(super) fn mint(&mut self) -> ReservationId {
        self.minted += 1;
        let ms = u128::try_from(self.now.as_millis()).unwrap();
        ReservationId::new(ms << 80 | 7 << 76 | self.minted)
    }

    pub(super) fn reserve(&mut self, name: &str, tokens: u64) -> Result<HoldId, Refusal> {
        let reservation = self.mint();
        self.reserve_as(reservation, name, tokens)
    }

    pub(super) fn reserve_as(
        &mut self,
        reservation: ReservationId,
        name: &str,
        tokens: u64,
    ) -> Result<HoldId, Refusal> {
        let ask = Reserve { reservation, service: service(name), need: quantity(tokens) };
        let answer = self.desk.reserve(&ask);
        self.record();
        assert!(self.desk.is_recorded(answer.after));
        answer.what.map(|admitted| admitted.hold)
    }

    /// Whether it was charged now.
    pub(super) fn settle(&mut self, hold: HoldId, used: u64) -> bool {
        let settle = Settle { hold, service: service("nobody"), used: quantity(used) };
        let answer = self.desk.settle(&settle);
        self.record();
        answer.what
    }

    /// Holds tokens that may cost so many cents.
    pub(super) fn reserve_for_cents(
        &mut self,
        name: &str,
        tokens: u64,
        cents: u64,
    ) -> Result<HoldId, Refusal> {
        let need = Quantity { money: cents_of(cents), ..quantity(tokens) };
        let ask = Reserve { reservation: self.mint(), service: service(name), need };
        let answer = self.desk.reserve(&ask);
        self.record();
        answer.what.map(|admitted| admitted.hold)
    }

    /// Settles with what it cost in cents. Whether it was charged now.
    pub(super) fn settle_for_cents(&mut self, hold: HoldId, tokens: u64, cents: u64) -> bool {
        let used = Quantity { money: cents_of(cents), ..quantity(tokens) };
        let answer = self.desk.settle(&Settle { hold, service: service("nobody"), used });
        self.record();
        answer.what
    }

    /// A gateway draws a slice of so many tokens.
    pub(super) fn gateway_draws(&mut self, name: &str, tokens: u64) -> SliceId {
        let reservation = self.mint();
        self.gateway_draws_as(reservation, name, tokens).unwrap()
    }

    /// The same under an id of its choice.
    pub(super) fn gateway_draws_as(
        &mut self,
        reservation: ReservationId,
        name: &str,
        tokens: u64,
    ) -> Result<SliceId, Refusal> {
        self.gateway_is_given(reservation, name, tokens).map(|drawn| drawn.slice)
    }

    /// All that it is told of the slice.
    pub(super) fn gateway_is_given(
        &mut self,
        reservation: ReservationId,
        name: &str,
        tokens: u64,
    ) -> Result<NodeSlice, Refusal> {
        let ask = Reserve { reservation, service: service(name), need: quantity(tokens) };
        let drawn = self.desk.draw(&gateway(), &ask, Quantity::ZERO);
        self.record();
        drawn.what
    }

    /// It gives back so many of them, having handed out so many holds.
    pub(super) fn gateway_returns(&mut self, slice: SliceId, free: u64, holds: u32) {
        let seal = Seal { slice, free: quantity(free), holds };
        assert!(self.desk.return_slice(&gateway(), &seal).what);
        self.record();
    }

    /// What a budget has counted.
    pub(super) fn budget_used(&self, name: &str) -> u64 {
        self.desk.headroom(&service(name), None).unwrap().budgets[0].used
    }

    /// Settles, and nothing is appended yet.
    pub(super) fn settle_unrecorded(&mut self, hold: HoldId, used: u64) {
        let settle = Settle { hold, service: service("nobody"), used: quantity(used) };
        assert!(self.desk.settle(&settle).what);
    }

    /// Reserves, and nothing is appended yet.
    pub(super) fn reserve_unrecorded(&mut self, name: &str, tokens: u64) -> Answer<Decision> {
        let reservation = self.mint();
        self.desk.reserve(&Reserve { reservation, service: service(name), need: quantity(tokens) })
    }

    /// Appends what there is to append, and checks what must always hold.
    pub(super) fn record(&mut self) {
        let mut events = Vec::new();
        if let Some(mark) = self.desk.take_events(&mut events) {
            self.events.extend(events);
            self.desk.recorded(mark);
        }
        let ledger = self.desk.ledger();
        ledger.accounts().try_for_each(invariant_conservation).unwrap();
        invariant_outstanding(ledger).unwrap();
        invariant_sum(ledger).unwrap();
    }

    /// The node is killed, and another begins with the journal.
    pub(super) fn crash(&mut self) {
        let mut ledger = Ledger::default();
        self.events.iter().for_each(|event| ledger.evolve(event));
        self.desk = Desk::new(ledger, self.now);
        self.record();
    }

    /// The node is killed, and another begins after so many milliseconds.
    pub(super) fn crash_for_ms(&mut self, ms: u64) {
        self.now = self.now.plus(std::time::Duration::from_millis(ms));
        self.crash();
    }

    /// The journal alone brings the ledger back.
    pub(super) fn then_replays(&self) {
        invariant_replay(self.desk.ledger(), &self.events).unwrap();
    }

    /// How many slices were drawn so far.
    pub(super) fn draws(&self) -> usize {
        let drawn =
            |event: &&Event| matches!(event, Event::Moved(moved) if matches!(moved.what, Moved::Drawn(_)));
        self.events.iter().filter(drawn).count()
    }

    pub(super) fn available(&self, name: &str) -> u64 {
        self.desk.standing(&service(name)).unwrap().available.get()
    }

    pub(super) fn settled(&self, name: &str) -> u64 {
        self.desk.ledger().account(&service(name)).unwrap().totals().settled.get()
    }
}

pub(super) fn rpm(rate: u64) -> RequestsPerMinute {
    RequestsPerMinute::new(rate)
}
