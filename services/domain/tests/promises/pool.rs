//! A pool under a random run: a desk, its journal, its callers, and the witnesses that watch it.

mod calls;

use std::time::Duration;

use weir_domain::amount::{Money, Tokens};
use weir_domain::authorship::Authorship;
use weir_domain::bucket::Level;
use weir_domain::desk::{Desk, Mark};
use weir_domain::ids::{NodeId, ReservationId, ServiceId};
use weir_domain::ledger::invariants::{self as promises, GuaranteeWitness, LimitsWitness, PhysicalWitness};
use weir_domain::ledger::{Event, Ledger, Moved, Quantity};
use weir_domain::time::Timestamp;

use crate::clients::Clients;
use crate::seen::Seen;
use crate::steps::{Allocate, BURSTS, SERVICES, Step};
use crate::terms::{changes, define, service, terms_of};

type Checked = Result<(), String>;

pub(crate) struct Pool {
    number: u64,
    desk: Desk,
    /// The ledger by its events alone, one at a time.
    mirror: Ledger,
    now: Timestamp,
    journal: Vec<Event>,
    /// Seen by the witnesses, not in the journal yet, and the marks that it goes by.
    pending: Vec<Event>,
    marks: Vec<Mark>,
    physical: PhysicalWitness,
    guarantee: GuaranteeWitness,
    limits: LimitsWitness,
    /// Witnesses as they were when the journal's last event happened.
    at_journal: (Ledger, PhysicalWitness, GuaranteeWitness, LimitsWitness),
    clients: Clients,
    ages: [usize; BURSTS],
    minted: u128,
    seen: Seen,
}

/// An id minted at an instant.
pub(crate) fn mint(at: Timestamp, number: u128) -> ReservationId {
    let ms = u128::try_from(at.as_millis()).unwrap();
    ReservationId::new((ms << 80) | (7 << 76) | number)
}

fn quantity(tokens: Tokens) -> Quantity {
    Quantity { tokens, money: Money::ZERO }
}

fn node() -> NodeId {
    NodeId::try_new("gateway-1").unwrap()
}

impl Pool {
    /// A pool of 15,000 a minute; two busy services have half of it, a hundred others a little each.
    pub(crate) fn begin(number: u64) -> Self {
        let now = Timestamp::from_secs(1_750_000_000);
        let mut pool = Self {
            number,
            desk: Desk::new(Ledger::default(), now),
            mirror: Ledger::default(),
            now,
            journal: vec![],
            pending: vec![],
            marks: vec![],
            physical: PhysicalWitness::default(),
            guarantee: GuaranteeWitness::default(),
            limits: LimitsWitness::default(),
            at_journal: Default::default(),
            clients: Clients::default(),
            ages: [0; BURSTS],
            minted: 0,
            seen: Seen::default(),
        };
        let plain = |baseline, above| Allocate {
            baseline,
            above,
            lending: None,
            request_max: if baseline > 100 { 800 } else { 10 },
            requests: None,
            in_flight_max: None,
            priority: 1,
            shadow: false,
            budget: None,
            lapse_s: None,
        };
        let rest = (0..SERVICES).map(|number| (number, plain(if number < 2 { 3_000 } else { 20 }, 2_000)));
        let list = rest.map(|(number, terms)| weir_domain::ledger::Change::SetAllocation {
            service: service(number),
            terms: terms_of(&terms, now),
        });
        let all: Vec<_> = std::iter::once(define(15_000)).chain(list).collect();
        pool.desk.change(&pool.by(), &all, None).what.unwrap();
        pool.append();
        pool
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen
    }

    fn by(&self) -> Authorship {
        Authorship { author: "run".into(), reason: "random".into(), at: self.now, commit: None }
    }

    /// Lets a step happen and checks every promise after it.
    pub(crate) fn take(&mut self, step: &Step) -> Checked {
        match *step {
            Step::Wait { ns } => self.now = Timestamp::from_nanos(self.now.as_nanos() + ns),
            Step::Tick => self.tick(),
            Step::Append => self.append(),
            Step::Crash => self.crash()?,
            Step::Reserve { service: who, tokens, off_s } => {
                self.minted += 1;
                let at = Timestamp::from_secs(self.now.as_secs() + off_s);
                self.reserve(mint(at, self.minted), service(who), Tokens::new(tokens))?;
            }
            Step::ReserveAgain { which, tokens } => self.reserve_again(which, tokens)?,
            Step::Settle { which, used } => self.settle_one(which, Tokens::new(used))?,
            Step::SettleAgain { which, used } => self.settle_again(which, Tokens::new(used))?,
            Step::SettleSelfGranted { service: who, held, used } => {
                self.settle_self_granted(who, held, used)?;
            }
            Step::Release { which } => self.release(which)?,
            Step::Extend { which } => self.extend(which),
            Step::Redeclare { which } => self.redeclare(which),
            Step::NodeDraw { service: who, tokens } => self.node_draw(&service(who), Tokens::new(tokens))?,
            Step::NodeReturn { which, handed } => self.node_return(which, handed),
            _ => self.change(step),
        }
        self.check()
    }

    fn tick(&mut self) {
        self.desk.advance(self.now);
        self.desk.tick();
    }

    fn change(&mut self, step: &Step) {
        self.desk.advance(self.now);
        let changes = changes(step, self.number, &mut self.ages, self.desk.ledger());
        let by = Authorship { at: self.desk.ledger().at(), ..self.by() };
        match self.desk.change(&by, &changes, None).what {
            Ok(governed) => self.seen.governed += governed.len(),
            Err(_) => self.seen.change_refused += 1,
        }
    }

    /// The witnesses see what happened, one event after another.
    fn mirror_events(&mut self) {
        let mut events = Vec::new();
        let before = self.pending.len();
        if let Some(mark) = self.desk.take_events(&mut events) {
            self.pending.extend(events);
            self.marks.push(mark);
        }
        for event in &self.pending[before..] {
            let old = self.mirror.clone();
            self.mirror.evolve(event);
            self.physical.see(&old, event, &self.mirror);
            self.guarantee.see(&old, event, &self.mirror);
            self.limits.see(&old, event, &self.mirror);
            if let Event::Moved(movement) = event {
                match &movement.what {
                    Moved::Drawn(drawn) => self.seen.borrowed += usize::from(drawn.borrowed > Level::ZERO),
                    Moved::ThresholdReached { .. } => self.seen.thresholds += 1,
                    _ => {}
                }
            }
        }
    }

    /// What waits is in the journal now.
    fn append(&mut self) {
        self.mirror_events();
        self.journal.append(&mut self.pending);
        if let Some(mark) = self.marks.drain(..).next_back() {
            self.desk.recorded(mark);
        }
        let desk = &self.desk;
        self.clients.learn(|mark| desk.is_recorded(mark));
        self.at_journal =
            (self.mirror.clone(), self.physical.clone(), self.guarantee.clone(), self.limits.clone());
    }

    /// The node is gone, with what it had not appended. Callers repeat what nobody acknowledged.
    fn crash(&mut self) -> Checked {
        self.seen.crashes += 1;
        self.pending.clear();
        self.marks.clear();
        (self.mirror, self.physical, self.guarantee, self.limits) = self.at_journal.clone();
        let mut rebuilt = Ledger::default();
        self.journal.iter().for_each(|event| rebuilt.evolve(event));
        self.desk = Desk::new(rebuilt, self.now);
        self.clients.forget_unanswered();
        for settle in std::mem::take(&mut self.clients.unacknowledged) {
            self.clients.charged.remove(&settle.hold);
            self.settle(settle.hold, &settle.service, settle.used)?;
        }
        Ok(())
    }

    fn check(&mut self) -> Checked {
        self.desk.advance(self.now);
        self.mirror_events();
        let ledger = self.desk.ledger();
        self.seen.deficits += usize::from(ledger.deficit() > Level::ZERO);
        let mut mirror = self.mirror.clone();
        mirror.advance(ledger.at());
        if mirror != *ledger {
            return Err("replay: the events do not bring back the ledger".into());
        }
        self.physical.invariant_physical(&self.mirror).map_err(text)?;
        self.limits.invariant_limits().map_err(text)?;
        promises::invariant_fit(ledger).map_err(text)?;
        promises::invariant_sum(ledger).map_err(text)?;
        promises::invariant_outstanding(ledger).map_err(text)?;
        for account in ledger.accounts() {
            promises::invariant_conservation(account).map_err(text)?;
            let place = ledger.place(account.service()).unwrap();
            promises::invariant_levels(ledger, place).map_err(text)?;
        }
        for number in 0..crate::steps::BUSY {
            let who = service(number);
            for at in self.instants_worth_a_look(&who) {
                promises::invariant_time_box(ledger, &who, at).map_err(text)?;
            }
            let (charged, settled) = (self.clients.charged_to(&who), totals(ledger, &who));
            if charged != settled {
                return Err(format!("settle: {who} was charged {settled} of {charged}"));
            }
        }
        Ok(())
    }

    fn instants_worth_a_look(&self, who: &ServiceId) -> Vec<Timestamp> {
        let nano = Duration::from_nanos(1);
        let ledger = self.desk.ledger();
        let windows = ledger.terms().bursts_of(who).map(|record| record.burst.window);
        let edges = windows.flat_map(|window| [window.start(), window.end()]);
        edges
            .flat_map(|edge| [edge.minus(nano), edge])
            .filter(|at| *at >= ledger.at())
            .chain([ledger.at()])
            .collect()
    }

    /// Everything comes to rest: the journal alone, and a snapshot, bring the ledger back.
    pub(crate) fn end(&mut self) -> Checked {
        self.append();
        promises::invariant_replay(self.desk.ledger(), &self.journal).map_err(text)?;
        let doubled = self.journal.iter().flat_map(|event| match event {
            Event::Moved(_) => vec![event, event],
            Event::Governed(_) => vec![event],
        });
        promises::invariant_replay(self.desk.ledger(), doubled).map_err(text)?;
        promises::invariant_snapshot(self.desk.ledger()).map_err(text)
    }
}

fn totals(ledger: &Ledger, who: &ServiceId) -> Tokens {
    ledger.account(who).map(|account| account.totals().settled).unwrap_or_default()
}

fn pick<T>(all: &[T], which: usize) -> Option<&T> {
    (!all.is_empty()).then(|| &all[which % all.len()])
}

fn text(violation: impl std::fmt::Display) -> String {
    violation.to_string()
}
