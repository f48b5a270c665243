//! The policy as it stands, played over what it really admitted, refuses nothing.

use std::time::Duration;

use super::story::*;
use crate::amount::{Money, Tokens};
use crate::desk::{Desk, Reserve};
use crate::ids::ReservationId;
use crate::ledger::{Event, Governed, Ledger, Quantity, Settle, TermsChanged};
use crate::policy::sample::{id, rate};
use crate::policy::{Policy, Terms};
use crate::time::Timestamp;
use crate::usage::UsageEvent;

const SERVICES: [&str; 3] = ["chat", "search", "batch"];

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A desk that is asked live; what it admits becomes the past.
struct Live {
    desk: Desk,
    now: Timestamp,
    running: Vec<(Timestamp, usize, crate::ids::HoldId, u64)>,
    past: Vec<UsageEvent>,
    refused: u64,
}

fn stands() -> Policy {
    let terms = |baseline| Terms { ceiling: rate(30_000), in_flight_max: Some(20), ..guarantee(baseline) };
    policy([("chat", terms(10_000)), ("search", terms(6_000)), ("batch", terms(2_000))])
}

fn live() -> Live {
    let org = given(&stands()).org;
    let terms = org.terms(&id("gpt")).unwrap();
    let mut ledger = Ledger::default();
    let now = second(0);
    let by = crate::authorship::Authorship { at: now, ..by() };
    let set = terms.allocations().iter().map(|(service, terms)| TermsChanged::AllocationSet {
        service: service.clone(),
        terms: terms.clone(),
    });
    for what in [TermsChanged::PoolDefined(terms.pool().unwrap().clone())].into_iter().chain(set) {
        ledger.evolve(&Event::Governed(Governed { by: by.clone(), what }));
    }
    Live { desk: Desk::new(ledger, now), now, running: vec![], past: vec![], refused: 0 }
}

impl Live {
    fn ask(&mut self, number: u128, dice: &mut Dice) {
        let which = usize::try_from(dice.below(3)).unwrap();
        let (held, lasting) = (100 + dice.below(900), Duration::from_millis(50 + dice.below(8_000)));
        let used = held * (1 + dice.below(100)) / 100;
        let reservation =
            ReservationId::new(u128::try_from(self.now.as_millis()).unwrap() << 80 | 7 << 76 | number);
        let need = Quantity { tokens: Tokens::new(held), money: Money::ZERO };
        match self.desk.reserve(&Reserve { reservation, service: id(SERVICES[which]), need }).what {
            Ok(admitted) => {
                let ends = self.now.plus(lasting);
                let made = Usage { held, used, ..usage(SERVICES[which]) };
                self.past.push(attempt(&made, self.now, ends));
                self.running.push((ends, which, admitted.hold, used));
            }
            Err(_) => self.refused += 1,
        }
        self.record();
    }

    /// A hundred milliseconds pass, or up to the next attempt that ends.
    fn pass(&mut self, until: Timestamp) {
        while self.now < until {
            let tick = self.now.plus(Duration::from_millis(100));
            let ends = self.running.iter().map(|(ends, ..)| *ends).min().unwrap_or(until);
            self.now = tick.min(ends).min(until);
            self.desk.advance(self.now);
            let (over, running): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.running).into_iter().partition(|run| run.0 <= self.now);
            self.running = running;
            for (_, which, hold, used) in over {
                let used = Quantity { tokens: Tokens::new(used), money: Money::ZERO };
                self.desk.settle(&Settle { hold, service: id(SERVICES[which]), used });
            }
            self.desk.tick();
            self.record();
        }
    }

    fn record(&mut self) {
        let mut events = Vec::new();
        if let Some(mark) = self.desk.take_events(&mut events) {
            self.desk.recorded(mark);
        }
    }
}

/// What three services admit live that ask at random, on average so many milliseconds apart.
fn admitted(seed: u64, apart_ms: u64) -> Live {
    let (mut live, mut dice) = (live(), Dice(seed));
    for number in 0..2_000 {
        let at = live.now.plus(Duration::from_millis(1 + dice.below(2 * apart_ms)));
        live.pass(at);
        live.ask(number, &mut dice);
    }
    live
}

/// How many requests the policy as it stands refuses of a past that it admitted.
fn refused_again(past: Vec<UsageEvent>) -> u64 {
    let found = Given { org: given(&stands()).org, past }.when_simulated_under(&stands());
    assert!(SERVICES.iter().any(|name| found.borrowed(name) > 0), "guarantees alone were no test");
    SERVICES.map(|name| found.now(name).refused.requests.get()).iter().sum()
}

#[test]
fn what_the_policy_admitted_when_it_refused_nobody_it_admits_again() {
    for seed in 0..8 {
        let live = admitted(seed, 400);
        assert_eq!(live.refused, 0, "seed {seed}");
        assert_eq!(refused_again(live.past), 0, "seed {seed}");
    }
}

/// A refused request makes its service give back at once what it has in hand, up to a second early. It is not in the
/// journal, so others may find a little less than there was.
#[test]
fn of_what_the_policy_admitted_while_it_refused_others_it_refuses_next_to_nothing() {
    for seed in 0..8 {
        let live = admitted(seed, 200);
        let (refused, admitted) = (live.refused, live.past.len());
        assert!(refused > 50, "seed {seed}: the limits were run into, {refused} times");
        let again = refused_again(live.past);
        let bound = u64::try_from(admitted).unwrap() / 200;
        assert!(again <= bound, "seed {seed}: {again} of {admitted}, of which {bound} are half a percent");
    }
}
