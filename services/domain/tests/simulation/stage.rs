//! The stage: time, what is to come, the network between gateways and quota nodes, and the trace.
//!
//! Time has two parts. What has elapsed orders all that happens. What clocks show is more than that: they jump forward
//! together now and then, and each is off by a little.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_domain::time::Timestamp;

use crate::dice::Dice;
use crate::messages::{Ask, Tell};
use crate::seen::Seen;
use crate::weather::Weather;

/// What is to come.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// A message arrives at a pool's node.
    Ask {
        pool: usize,
        from: usize,
        ask: Ask,
    },
    /// A message arrives at a gateway.
    Tell {
        to: usize,
        pool: usize,
        tell: Tell,
    },
    /// An append ends, of the node of that life.
    Appended {
        pool: usize,
        life: u32,
    },
    /// The node looks after its slices and holds.
    Look {
        pool: usize,
        life: u32,
    },
    /// The node begins, with what the journal has.
    Rise {
        pool: usize,
    },
    /// The node is killed.
    Kill {
        pool: usize,
    },
    /// Somebody takes a snapshot.
    Snapshot {
        pool: usize,
    },
    /// Somebody decides about the pool.
    Govern {
        pool: usize,
    },
    /// A gateway's timer, of that life.
    Timer {
        gateway: usize,
        life: u32,
        timer: Timer,
    },
    /// A gateway crashes, or begins again.
    Crash {
        gateway: usize,
    },
    Restart {
        gateway: usize,
    },
    /// Somebody calls a gateway.
    Call {
        gateway: usize,
    },
    /// All callers call more for a while.
    Surge,
    /// All clocks jump forward.
    Jump,
    /// All that is broken is healed, and nobody calls any more.
    Heal,
}

/// What a gateway does later.
#[derive(Debug, Clone)]
pub(crate) enum Timer {
    /// Ask again, or give up.
    Unanswered(u64),
    /// The call is made.
    Begin(u64),
    Extend(u64),
    End(u64),
    Settle(u64),
    Release {
        pool: usize,
        again: Ask,
        tries: u32,
    },
    /// What is left of a slice goes back.
    Return {
        pool: usize,
        slice: weir_domain::ids::SliceId,
        tries: u32,
    },
}

pub(crate) struct Stage<'a> {
    pub(crate) dice: Dice,
    pub(crate) weather: Weather,
    pub(crate) seen: Seen,
    elapsed: Duration,
    jumped: Duration,
    coming: BTreeMap<(Duration, u64), Happening>,
    scheduled: u64,
    trace: Option<&'a mut Vec<String>>,
}

const BEGIN: Timestamp = Timestamp::from_secs(1_750_000_000);

impl<'a> Stage<'a> {
    pub(crate) fn new(seed: u64, trace: Option<&'a mut Vec<String>>) -> Self {
        let mut dice = Dice::new(seed);
        let weather = Weather::of(&mut dice);
        Self {
            dice,
            weather,
            seen: Seen::default(),
            elapsed: Duration::ZERO,
            jumped: Duration::ZERO,
            coming: BTreeMap::new(),
            scheduled: 0,
            trace,
        }
    }

    /// What a clock shows that is right.
    pub(crate) fn now(&self) -> Timestamp {
        BEGIN.plus(self.elapsed).plus(self.jumped)
    }

    pub(crate) fn jump(&mut self, by: Duration) {
        self.jumped += by;
    }

    pub(crate) fn after(&mut self, wait: Duration, what: Happening) {
        self.scheduled += 1;
        self.coming.insert((self.elapsed + wait, self.scheduled), what);
    }

    /// The next that happens; time passes until then.
    pub(crate) fn next(&mut self) -> Option<Happening> {
        let ((at, _), what) = self.coming.pop_first()?;
        self.elapsed = at;
        self.seen.events += 1;
        Some(what)
    }

    /// Sends a message over the network: it is lost, comes once or twice, soon or late.
    pub(crate) fn send(&mut self, what: &Happening) {
        let copies = if self.dice.percent(self.weather.lost_percent) {
            0
        } else {
            1 + usize::from(self.dice.percent(self.weather.twice_percent))
        };
        for _ in 0..copies {
            let slow = self.dice.percent(self.weather.slow_percent);
            let delay = self.dice.ms(if slow { 50..4_000 } else { 1..12 });
            self.after(delay, what.clone());
        }
    }

    /// Notes what happened, if somebody wants to know.
    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let at = self.elapsed.as_secs_f64();
            let jumped = self.jumped.as_secs();
            trace.push(format!("{at:>11.6} +{jumped}s  {}", what()));
        }
    }
}
