//! The weather of a run: how much goes wrong, and what callers are like. Every seed has its own.

use std::ops::Range;
use std::time::Duration;

use crate::dice::Dice;

/// What a run is like.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    /// How long calls come in, before everything heals.
    pub(crate) run: Duration,
    /// Of messages.
    pub(crate) lost_percent: u64,
    pub(crate) twice_percent: u64,
    pub(crate) slow_percent: u64,
    /// Of appends.
    pub(crate) rejected_percent: u64,
    pub(crate) unknown_percent: u64,
    pub(crate) slow_append_percent: u64,
    /// Between two of them; none where nobody does it.
    pub(crate) kill_every_ms: Option<u64>,
    pub(crate) crash_every_ms: Option<u64>,
    pub(crate) jump_every_ms: Option<u64>,
    pub(crate) govern_every_ms: Option<u64>,
    /// What pools begin with, in tokens a minute: from far too little to plenty.
    pub(crate) capacity: u64,
    /// Between two calls at one gateway.
    pub(crate) call_every_ms: u64,
    pub(crate) surging: bool,
    /// Of gateways' services: those for which they hold slices.
    pub(crate) slices_percent: u64,
    /// Of calls: those that use more than they held.
    pub(crate) overdraw_percent: u64,
    pub(crate) is_over: bool,
}

impl Weather {
    /// Some runs have calm networks and bad nodes, others the other way round, some all at once.
    pub(crate) fn of(dice: &mut Dice) -> Self {
        let bad_network = dice.percent(60);
        let bad_journal = dice.percent(50);
        // Some go on for longer than holds live, with as much that happens.
        let slowness = if dice.percent(12) { 20 } else { 1 };
        let run = dice.ms(4_000 * slowness..20_000 * slowness);
        let call_every_ms = dice.within(100..600) * slowness;
        let mut every =
            |percent, range: Range<u64>| dice.percent(percent).then(|| slowness * dice.within(range));
        let (kill_every_ms, crash_every_ms) = (every(70, 800..8_000), every(50, 2_000..20_000));
        let (jump_every_ms, govern_every_ms) = (every(40, 2_000..10_000), every(60, 300..4_000));
        let mut upto = |is: bool, most: u64| if is { dice.within(0..most) } else { 0 };
        Self {
            run,
            lost_percent: upto(bad_network, 30),
            twice_percent: upto(bad_network, 30),
            slow_percent: upto(bad_network, 30),
            rejected_percent: upto(bad_journal, 8),
            unknown_percent: upto(bad_journal, 8),
            slow_append_percent: upto(bad_journal, 30),
            kill_every_ms,
            crash_every_ms,
            jump_every_ms,
            govern_every_ms,
            capacity: dice.within(12_000..90_000),
            call_every_ms,
            surging: false,
            slices_percent: if dice.percent(60) { dice.within(0..80) } else { 0 },
            overdraw_percent: if dice.percent(40) { dice.within(0..30) } else { 0 },
            is_over: false,
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        *self = Self {
            lost_percent: 0,
            twice_percent: 0,
            slow_percent: 0,
            rejected_percent: 0,
            unknown_percent: 0,
            slow_append_percent: 0,
            kill_every_ms: None,
            crash_every_ms: None,
            jump_every_ms: None,
            govern_every_ms: None,
            surging: false,
            slices_percent: 0,
            is_over: true,
            ..self.clone()
        };
    }

    /// How long an append takes.
    pub(crate) fn append_wait(&self, dice: &mut Dice) -> Duration {
        if dice.percent(self.slow_append_percent) { dice.ms(20..1_500) } else { dice.ms(1..8) }
    }

    /// How long until somebody calls a gateway again.
    pub(crate) fn call_wait(&self, dice: &mut Dice) -> Duration {
        let mean = if self.surging { self.call_every_ms.div_ceil(8) } else { self.call_every_ms };
        dice.ms(0..2 * mean)
    }
}
