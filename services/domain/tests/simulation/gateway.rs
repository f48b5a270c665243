//! A gateway: calls that wait for a decision or go on, and a write-ahead log of those that were made.
//!
//! The log outlives a crash, and nothing else does. What it has of a call that never ended is settled as if all of the hold
//! had been used.

mod calls;
mod outage;
mod slices;

use std::collections::BTreeMap;

use weir_domain::amount::Tokens;
use weir_domain::desk::Release;
use weir_domain::ids::{HoldId, ReservationId, ServiceId};
use weir_domain::time::Timestamp;

use crate::Checked;
use crate::messages::{Ask, Tell};
use crate::pool::Pool;
use crate::stage::{Happening, Stage, Timer};
use outage::Outages;
use slices::Local;

/// How often a gateway gives a hold back before it lets it be.
const RELEASES_MAX: u32 = 3;

/// A call that is not in the log yet.
#[derive(Debug, Clone)]
enum Call {
    /// It waits for a decision.
    Asked { pool: usize, service: ServiceId, tokens: Tokens, reservation: ReservationId, tries: u32 },
    /// It may be made.
    Admitted { pool: usize, service: ServiceId, hold: HoldId },
}

/// A call that was made, until its settle is acknowledged.
#[derive(Debug, Clone)]
struct Logged {
    pool: usize,
    service: ServiceId,
    hold: HoldId,
    /// None while it goes on.
    used: Option<Tokens>,
}

pub(crate) struct Gateway {
    number: usize,
    is_up: bool,
    life: u32,
    /// By how much its clock is off, in milliseconds.
    ahead_ms: u64,
    calls: BTreeMap<u64, Call>,
    log: BTreeMap<u64, Logged>,
    locals: BTreeMap<(usize, ServiceId), Local>,
    outages: Outages,
    /// How many calls there were: what they are known by.
    called: u64,
    minted: u128,
}

/// The stage and the pools: what a gateway acts on.
pub(crate) struct Scene<'a, 's> {
    pub(crate) stage: &'a mut Stage<'s>,
    pub(crate) pools: &'a mut [Pool],
}

impl Gateway {
    pub(crate) fn new(number: usize, stage: &mut Stage) -> Self {
        Self {
            number,
            is_up: true,
            life: 0,
            ahead_ms: stage.dice.within(0..8_000),
            calls: BTreeMap::new(),
            log: BTreeMap::new(),
            locals: BTreeMap::new(),
            outages: Outages::new(number),
            called: 0,
            minted: 0,
        }
    }

    /// Whether nothing is left to be done.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.is_up && self.calls.is_empty() && self.log.is_empty()
    }

    fn clock(&self, stage: &Stage) -> Timestamp {
        stage.now().plus(std::time::Duration::from_millis(self.ahead_ms))
    }

    fn send(&self, pool: usize, ask: Ask, stage: &mut Stage) {
        stage.send(&Happening::Ask { pool, from: self.number, ask });
    }

    fn later(&self, wait: std::time::Duration, timer: Timer, stage: &mut Stage) {
        stage.after(wait, Happening::Timer { gateway: self.number, life: self.life, timer });
    }

    /// An answer arrives.
    pub(crate) fn hear(&mut self, pool: usize, tell: Tell, stage: &mut Stage) {
        if !self.is_up {
            return;
        }
        match tell {
            Tell::Decided { reservation, decision } => {
                self.outages.end(pool);
                let held = decision.ok().map(|admitted| admitted.hold);
                self.decided(pool, reservation, held, stage);
            }
            Tell::Settled(hold) => self.settled(pool, hold),
            Tell::Drawn { reservation, drawn } => self.drawn(pool, reservation, drawn.ok(), stage),
            Tell::Returned(slice) => self.returned(pool, slice),
            Tell::Released | Tell::Extended | Tell::Undecided => {}
        }
    }

    pub(crate) fn timer(&mut self, life: u32, timer: Timer, scene: &mut Scene) -> Checked {
        if !self.is_up || life != self.life {
            return Ok(());
        }
        match timer {
            Timer::Unanswered(call) => self.unanswered(call, scene.stage),
            Timer::Begin(call) => self.begin(call, scene)?,
            Timer::Extend(call) => self.extend(call, scene.stage),
            Timer::End(call) => self.end(call, scene),
            Timer::Settle(call) => self.settle(call, scene.stage),
            Timer::Release { pool, again, tries } => self.release(pool, again, tries, scene.stage),
            Timer::Return { pool, slice, tries } => self.return_slice(pool, slice, tries, scene.stage),
        }
        Ok(())
    }

    /// It crashes: all but the log is gone.
    pub(crate) fn crash(&mut self, stage: &mut Stage) {
        if !self.is_up {
            return;
        }
        stage.note(|| format!("gateway {} crashes", self.number));
        stage.seen.gateway_crashes += 1;
        self.is_up = false;
        self.life += 1;
        self.calls.clear();
        self.locals.clear();
        self.outages.forget();
        let wait = stage.dice.ms(50..4_000);
        stage.after(wait, Happening::Restart { gateway: self.number });
    }

    /// It begins again: what the log has is settled.
    pub(crate) fn restart(&mut self, scene: &mut Scene) {
        scene.stage.note(|| format!("gateway {} begins again", self.number));
        self.is_up = true;
        for (call, logged) in &mut self.log {
            if logged.used.is_none() {
                logged.used = Some(logged.hold.tokens());
                scene.pools[logged.pool].book.end(logged.hold, logged.hold.tokens());
            }
            let wait = scene.stage.dice.ms(1..300);
            let timer =
                Happening::Timer { gateway: self.number, life: self.life, timer: Timer::Settle(*call) };
            scene.stage.after(wait, timer);
        }
    }

    /// Gives something back a few times; nobody waits for it.
    fn release(&self, pool: usize, again: Ask, tries: u32, stage: &mut Stage) {
        if tries < RELEASES_MAX {
            self.send(pool, again.clone(), stage);
            let wait = stage.dice.ms(100..1_000);
            self.later(wait, Timer::Release { pool, again, tries: tries + 1 }, stage);
        }
    }

    fn give_up(&self, pool: usize, what: Release, service: &ServiceId, stage: &mut Stage) {
        let again = Ask::Release { what, service: service.clone() };
        self.release(pool, again, 0, stage);
    }
}
