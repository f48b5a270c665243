//! What can happen next in a state, and the state after it.

use std::time::Duration;

use weir_domain::amount::Tokens;
use weir_domain::desk::{Decision, NODE_SLICE_LIFETIME, Release, Reserve};
use weir_domain::ids::{HoldId, ReservationId};
use weir_domain::ledger::Settle;

use crate::state::{BEGIN, CALLERS, Call, Charged, SERVED, SERVICE, State, quantity};
use crate::walk::Body;

/// What a call used of its hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Use {
    Nothing,
    AllHeld,
    More,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A caller asks.
    Reserve {
        caller: usize,
        tokens: u64,
    },
    /// It asks again with the same id: there was no answer yet.
    Again {
        caller: usize,
    },
    /// It gives up before there is an answer.
    GiveUp {
        caller: usize,
    },
    Settle {
        caller: usize,
        used: Use,
    },
    SettleAgain {
        caller: usize,
    },
    Redeclare {
        caller: usize,
    },
    /// The append of what there is begins; it is recorded.
    Take,
    Recorded,
    /// The node crashes; what was being appended is in the journal, or not.
    Crash {
        kept: bool,
    },
    /// The desk looks after its slices.
    Look,
    /// Time makes a step, and the desk looks.
    Wait {
        ms: u64,
    },
    /// The gateway draws a slice, hands out of it, gives it back, and again.
    Draw,
    HandOut,
    Return,
    ReturnAgain,
}

/// Longer than a slice is at the desk, and longer than one is at a gateway.
const WAITS_MS: [u64; 2] = [1_000, 10_500];
const CRASHES_MAX: u8 = 2;

/// All that could happen, whatever the state.
pub(crate) fn all(body: Body) -> Vec<Step> {
    let mut steps = vec![Step::Take, Step::Recorded, Step::Look];
    for caller in 0..body.callers {
        let reserve = [1, 2].map(|tokens| Step::Reserve { caller, tokens });
        steps.extend(reserve.into_iter().chain([Step::Again { caller }, Step::GiveUp { caller }]));
    }
    let served = if body.gateway { CALLERS..CALLERS + SERVED } else { 0..0 };
    for caller in (0..body.callers).chain(served) {
        steps.extend([Use::Nothing, Use::AllHeld, Use::More].map(|used| Step::Settle { caller, used }));
        steps.extend([Step::SettleAgain { caller }, Step::Redeclare { caller }]);
    }
    if body.gateway {
        steps.extend([Step::Draw, Step::HandOut, Step::Return, Step::ReturnAgain]);
    }
    steps.extend([Step::Crash { kept: true }, Step::Crash { kept: false }]);
    steps.extend(WAITS_MS.map(|ms| Step::Wait { ms }));
    steps
}

/// The state after a step; none if it cannot happen, an error if it breaks a promise.
pub(crate) fn next(state: &State, step: Step) -> Option<Result<State, String>> {
    can(state, step).then(|| {
        let mut next = state.clone();
        next.take(step).map(|()| next)
    })
}

fn can(state: &State, step: Step) -> bool {
    match step {
        Step::Reserve { caller, .. } => state.calls[caller].is_over(),
        Step::Again { caller } | Step::GiveUp { caller } => matches!(state.calls[caller], Call::Asked { .. }),
        Step::Settle { caller, .. } => matches!(state.calls[caller], Call::Held(_)),
        Step::SettleAgain { caller } => matches!(state.calls[caller], Call::Ended { .. }),
        Step::Redeclare { caller } => match state.calls[caller] {
            Call::Held(_) => state.crashes > 0,
            Call::Ended { .. } => true,
            Call::Idle | Call::Asked { .. } => false,
        },
        Step::Take => state.in_flight.is_none() && state.desk.has_events(),
        Step::Recorded => state.in_flight.is_some(),
        Step::Crash { kept } => state.crashes < CRASHES_MAX && (!kept || state.in_flight.is_some()),
        Step::Look => true,
        Step::Wait { .. } => state.waited == Duration::ZERO,
        Step::Draw | Step::HandOut | Step::Return | Step::ReturnAgain => state.gateway_can(step),
    }
}

impl State {
    pub(crate) fn mint(&mut self) -> ReservationId {
        self.minted += 1;
        let ms = u128::try_from(BEGIN.as_millis()).unwrap();
        ReservationId::new(ms << 80 | 7 << 76 | self.minted)
    }

    fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Reserve { caller, tokens } => {
                self.archive(caller);
                let reservation = self.mint();
                self.reserve(caller, reservation, Tokens::new(tokens))
            }
            Step::Again { caller } => match self.calls[caller] {
                Call::Asked { reservation, tokens, .. } => self.reserve(caller, reservation, tokens),
                other => unreachable!("{other:?} was not asked for"),
            },
            Step::GiveUp { caller } => self.give_up(caller),
            Step::Settle { caller, used } => self.settle_held(caller, used),
            Step::SettleAgain { caller } => self.settle(caller),
            Step::Redeclare { caller } => self.redeclare(caller),
            Step::Look => {
                self.desk.tick();
                Ok(())
            }
            Step::Wait { ms } => {
                self.waited = Duration::from_millis(ms);
                self.now = BEGIN.plus(self.waited);
                self.desk.advance(self.now);
                self.desk.tick();
                // After a crash a slice at the gateway has all of its time again.
                let lapsed = self.waited > NODE_SLICE_LIFETIME && self.crashes == 0;
                if lapsed { self.check_none_open(true) } else { Ok(()) }
            }
            Step::Take => self.begin_append(),
            Step::Recorded => self.end_append(),
            Step::Crash { kept } => self.crash(kept),
            Step::Draw | Step::HandOut | Step::Return | Step::ReturnAgain => self.gateway_does(step),
        }
    }

    /// A call that is over makes room for another; nothing of it can change any more.
    pub(crate) fn archive(&mut self, caller: usize) {
        if let Call::Ended { hold, used, .. } = std::mem::replace(&mut self.calls[caller], Call::Idle) {
            self.spent += used.min(hold.tokens());
            self.rest_of(hold, used);
        }
    }

    fn reserve(&mut self, caller: usize, reservation: ReservationId, tokens: Tokens) -> Result<(), String> {
        let before = self.calls[caller];
        let answer =
            self.desk.reserve(&Reserve { reservation, service: SERVICE.clone(), need: quantity(tokens) });
        let known = match before {
            Call::Asked { waiting, .. } => waiting.map(|(hold, _)| hold),
            _ => None,
        };
        check_same(known, &answer.what)?;
        let Ok(admitted) = answer.what else {
            self.calls[caller] = Call::Idle;
            return Ok(());
        };
        if known.is_none() {
            let demand = if self.waited == Duration::ZERO { &mut self.demand.0 } else { &mut self.demand.1 };
            *demand += tokens;
        }
        let waiting = Some((admitted.hold, answer.after));
        self.calls[caller] = if self.desk.is_recorded(answer.after) {
            Call::Held(admitted.hold)
        } else {
            Call::Asked { reservation, tokens, waiting }
        };
        Ok(())
    }

    fn give_up(&mut self, caller: usize) -> Result<(), String> {
        let Call::Asked { reservation, waiting, .. } = self.calls[caller] else {
            unreachable!("it was asked")
        };
        let answer = self.desk.release(&Release::Reservation(reservation), &SERVICE);
        self.calls[caller] = Call::Idle;
        if answer.what != waiting.is_some() {
            return Err(format!("idempotence: {waiting:?} was given up, and released {}", answer.what));
        }
        if let Some((hold, _)) = waiting {
            let after = (!self.desk.is_recorded(answer.after)).then_some(answer.after);
            self.charged.push(Charged { hold, used: Tokens::ZERO, after });
        }
        Ok(())
    }

    /// A hold counts as under way again unless it is settled.
    fn redeclare(&mut self, caller: usize) -> Result<(), String> {
        let (Call::Held(hold) | Call::Ended { hold, .. }) = self.calls[caller] else {
            unreachable!("it was held")
        };
        let is_right = self.desk.redeclare(hold, &SERVICE) == self.charge_of(hold).is_none();
        if is_right { Ok(()) } else { Err(format!("idempotence: {hold} is declared, {:?}", self.charged)) }
    }

    fn settle_held(&mut self, caller: usize, used: Use) -> Result<(), String> {
        let Call::Held(hold) = self.calls[caller] else { unreachable!("it is held") };
        let used = match used {
            Use::Nothing => Tokens::ZERO,
            Use::AllHeld => hold.tokens(),
            Use::More => hold.tokens() + Tokens::new(1),
        };
        self.calls[caller] = Call::Ended { hold, used, after: None, acknowledged: false };
        self.settle(caller)
    }

    /// Settles, or settles again: charged if it was not before, and not else.
    fn settle(&mut self, caller: usize) -> Result<(), String> {
        let Call::Ended { hold, used, after, acknowledged } = &mut self.calls[caller] else {
            unreachable!("it has ended")
        };
        let ask = Settle { hold: *hold, service: SERVICE.clone(), used: quantity(*used) };
        let answer = self.desk.settle(&ask);
        let is_recorded = self.desk.is_recorded(answer.after);
        *acknowledged |= is_recorded;
        *after = (!is_recorded).then_some(answer.after);
        let (hold, used, after) = (*hold, *used, *after);
        if answer.what == self.charge_of(hold).is_some() {
            return Err(format!("settle once: {ask:?} is charged {}, {:?}", answer.what, self.charged));
        }
        if answer.what {
            self.charged.push(Charged { hold, used, after });
        }
        Ok(())
    }
}

/// What was admitted is admitted again, as the same.
fn check_same(known: Option<HoldId>, decision: &Decision) -> Result<(), String> {
    let again = decision.as_ref().map(|admitted| admitted.hold);
    let is_right = known.is_none_or(|known| again == Ok(known));
    if is_right { Ok(()) } else { Err(format!("idempotence: {known:?} again is {decision:?}")) }
}

impl Call {
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Idle | Self::Ended { acknowledged: true, .. })
    }
}
