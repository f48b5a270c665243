//! How the time that is told follows the machine's wall clock, which may be set at any moment.
//!
//! Time is the wall clock at the start and what has passed since, by a clock that nobody sets. A small difference between
//! the two is made up by telling time a little faster or slower. A step ahead is believed once it has stayed; until then
//! time goes on as if it were not. Time never runs backwards: after a step back it goes at half its pace until the wall
//! clock has caught up, so whatever waits for time, a refill above all, goes on meanwhile. Reads no clock itself.

use std::time::Duration;

use weir_domain::time::Timestamp;

/// The largest difference that is made up by telling time faster: what a leap second and a time server's usual corrections
/// come to. What is more was set by somebody, or passed while the machine slept.
pub(super) const SLEWED_MAX: Duration = Duration::from_secs(1);
/// A small difference is made up by this part of the time that passes: a tenth of a refill is what a service may gain or
/// miss by it, for ten seconds.
const SLEW_PART: u32 = 10;
/// A step back is made up by this part. Half of a refill goes on, and a clock that had been ahead for an hour is right again
/// after two: the longer it takes, the longer days begin early and ids from machines with the right time are too old.
const BEHIND_PART: u32 = 2;
/// How long a step ahead must stay before it is believed. A machine that slept or was given the right time stays where it
/// is; a clock that is set ahead by a slip, or by two time servers in dispute, is usually set back within seconds.
pub(super) const STEP_STAYS: Duration = Duration::from_secs(10);

/// The time that is told.
#[derive(Debug)]
pub(super) struct Steady {
    told: Timestamp,
    /// When that was, by the clock that nobody sets.
    at: Duration,
    /// A step ahead that is not believed yet.
    ahead: Option<Step>,
    /// How far the wall clock is behind, and whether somebody heard of it.
    behind: Duration,
    is_behind: bool,
}

#[derive(Debug)]
struct Step {
    since: Duration,
    by: Duration,
}

/// What somebody should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// The wall clock is ahead by so much; it is believed if that stays.
    Ahead(Duration),
    /// Time went ahead by so much.
    Stepped(Duration),
    /// The wall clock is behind by so much; time goes at half its pace until it has caught up.
    Behind(Duration),
    /// It has.
    CaughtUp,
}

impl Steady {
    /// Begins with what the wall clock shows.
    pub(super) fn new(wall: Timestamp, at: Duration) -> Self {
        Self { told: wall, at, ahead: None, behind: Duration::ZERO, is_behind: false }
    }

    /// How far the wall clock was behind when time was last told.
    pub(super) fn behind(&self) -> Duration {
        self.behind
    }

    /// The time is not before this instant: it has been.
    pub(super) fn not_before(&mut self, instant: Timestamp) {
        self.told = self.told.max(instant);
    }

    /// The time, where the wall clock shows this and so much has passed since some instant.
    pub(super) fn tell(&mut self, wall: Timestamp, at: Duration) -> (Timestamp, Option<Notice>) {
        let passed = at.saturating_sub(self.at);
        let steady = self.told.plus(passed);
        let (ahead, behind) = (wall.since(steady), steady.since(wall));
        let notice = self.notice(ahead, behind, at);
        self.told = match notice {
            Some(Notice::Stepped(_)) => wall,
            _ if self.ahead.is_some() => steady,
            _ => {
                let part = if self.is_behind { BEHIND_PART } else { SLEW_PART };
                steady.plus(ahead.min(passed / SLEW_PART)).minus(behind.min(passed / part))
            }
        };
        self.at = self.at.max(at);
        self.behind = self.told.since(wall);
        (self.told, notice)
    }

    fn notice(&mut self, ahead: Duration, behind: Duration, at: Duration) -> Option<Notice> {
        let was_behind = std::mem::replace(&mut self.is_behind, behind > SLEWED_MAX);
        let step = self.ahead.take().filter(|step| step.by.abs_diff(ahead) <= SLEWED_MAX);
        if ahead <= SLEWED_MAX {
            return match (was_behind, self.is_behind) {
                (false, true) => Some(Notice::Behind(behind)),
                (true, false) => Some(Notice::CaughtUp),
                _ => None,
            };
        }
        match step {
            Some(step) if at.saturating_sub(step.since) >= STEP_STAYS => Some(Notice::Stepped(ahead)),
            Some(step) => {
                self.ahead = Some(step);
                None
            }
            None => {
                self.ahead = Some(Step { since: at, by: ahead });
                Some(Notice::Ahead(ahead))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// A wall clock that is set, and a time that follows it.
    struct World {
        steady: Steady,
        at: Duration,
        /// What the wall clock shows beyond what has passed: so far ahead, so far behind.
        ahead: Duration,
        behind: Duration,
        notices: Vec<Notice>,
    }

    impl World {
        fn new() -> Self {
            let (ahead, behind) = (Duration::ZERO, Duration::ZERO);
            Self { steady: Steady::new(START, secs(0)), at: secs(0), ahead, behind, notices: vec![] }
        }

        fn set(&mut self, ahead: Duration, behind: Duration) -> &mut Self {
            (self.ahead, self.behind) = (ahead, behind);
            self
        }

        fn wall(&self) -> Timestamp {
            START.plus(self.at).plus(self.ahead).minus(self.behind)
        }

        /// So many seconds pass, and time is told in every one. What it is then.
        fn pass(&mut self, seconds: u64) -> Timestamp {
            let mut told = self.steady.told;
            for _ in 0..seconds {
                self.at += secs(1);
                let (time, notice) = self.steady.tell(self.wall(), self.at);
                assert!(time >= told, "time ran backwards");
                told = time;
                self.notices.extend(notice);
            }
            told
        }
    }

    #[test]
    fn a_clock_that_jumps_ahead_and_back_changes_nothing() {
        let mut world = World::new();
        assert_eq!(world.set(HOUR, secs(0)).pass(9), START.plus(secs(9)));
        assert_eq!(world.set(secs(0), secs(0)).pass(60), START.plus(secs(69)));
        assert_eq!(world.notices, [Notice::Ahead(HOUR)]);
    }

    #[test]
    fn a_step_ahead_that_stays_is_believed() {
        let mut world = World::new();
        assert_eq!(world.set(HOUR, secs(0)).pass(10), START.plus(secs(10)));
        assert_eq!(world.pass(1), START.plus(HOUR + secs(11)), "a machine that slept for an hour");
        assert_eq!(world.pass(5), START.plus(HOUR + secs(16)));
        assert_eq!(world.notices, [Notice::Ahead(HOUR), Notice::Stepped(HOUR)]);
    }

    #[test]
    fn a_clock_that_is_set_again_and_again_is_not_believed() {
        let mut world = World::new();
        for round in 1..20 {
            world.set(HOUR * round, secs(0)).pass(5);
        }
        assert_eq!(world.pass(0), START.plus(secs(95)));
    }

    #[test]
    fn after_a_step_back_time_goes_on_at_half_its_pace_until_the_wall_clock_has_caught_up() {
        let mut world = World::new();
        assert_eq!(world.set(secs(0), secs(60)).pass(100), START.plus(secs(50)), "at half its pace");
        assert_eq!(world.steady.behind(), secs(10));
        assert_eq!(world.pass(100), START.plus(secs(200 - 60)));
        assert_eq!(world.notices, [Notice::Behind(secs(60)), Notice::CaughtUp]);
        assert_eq!(world.steady.behind(), secs(0));
    }

    #[test]
    fn a_small_difference_is_made_up_bit_by_bit() {
        let mut world = World::new();
        assert_eq!(world.set(secs(1), secs(0)).pass(1), START.plus(Duration::from_millis(1_100)));
        assert_eq!(world.pass(9), START.plus(secs(11)));
        assert_eq!(world.set(secs(0), secs(0)).pass(10), START.plus(secs(20)), "a leap second, back again");
        assert_eq!(world.notices, []);
    }

    #[test]
    fn what_the_journal_has_is_not_before_its_time() {
        let mut world = World::new();
        world.steady.not_before(START.plus(HOUR));
        assert_eq!(world.pass(10), START.plus(HOUR + secs(5)), "and a refill goes on");
        world.steady.not_before(START);
        assert_eq!(world.notices, [Notice::Behind(HOUR)]);
    }

    proptest! {
        #[test]
        fn time_never_runs_backwards_and_never_a_tenth_faster_than_it_passes_but_in_steps(
            moves in prop::collection::vec((0_u64..30_000_000_000, -100_000_000_000_i64..100_000_000_000), 1..200),
        ) {
            let mut steady = Steady::new(START, Duration::ZERO);
            let (mut at, mut before) = (Duration::ZERO, START);
            for (passed, offset) in moves {
                let passed = Duration::from_nanos(passed);
                at += passed;
                let wall = Timestamp::from_nanos(START.plus(at).as_nanos() + offset);
                let (told, notice) = steady.tell(wall, at);
                prop_assert!(told >= before.plus(passed / BEHIND_PART));
                if !matches!(notice, Some(Notice::Stepped(_))) {
                    prop_assert!(told <= before.plus(passed + passed / SLEW_PART));
                }
                before = told;
            }
        }
    }
}
