//! One call: asked for until it is answered, made, kept alive, settled until that is acknowledged.

use std::time::Duration;

use weir_domain::amount::Tokens;
use weir_domain::desk::Release;
use weir_domain::ids::{HoldId, ReservationId, ServiceId};

use super::{Call, Gateway, Logged, Scene};
use crate::Checked;
use crate::govern::{SERVICES, service};
use crate::messages::Ask;
use crate::pool::mint;
use crate::stage::{Stage, Timer};

/// How often a gateway asks before it gives up.
const TRIES_MAX: u32 = 3;
/// Between two extensions of a hold: four in the time that it lives.
const EXTEND_EVERY: Duration = Duration::from_secs(30);

impl Gateway {
    /// Somebody calls.
    pub(crate) fn called(&mut self, pools: usize, stage: &mut Stage) {
        if !self.is_up {
            return;
        }
        let pool = stage.dice.place(pools);
        // Some are busier than others.
        let who = service(stage.dice.place(SERVICES).min(stage.dice.place(SERVICES)));
        let tokens = Tokens::new(if stage.dice.percent(90) {
            stage.dice.within(0..400)
        } else {
            stage.dice.within(0..2_000)
        });
        self.called += 1;
        match self.hand_out(pool, &who, tokens, stage) {
            Some(hold) => self.admitted(self.called, Call::Admitted { pool, service: who, hold }, stage),
            None => self.ask(pool, who, tokens, stage),
        }
    }

    fn ask(&mut self, pool: usize, service: ServiceId, tokens: Tokens, stage: &mut Stage) {
        let reservation = self.mint(stage);
        let call = Call::Asked { pool, service, tokens, reservation, tries: 0 };
        self.calls.insert(self.called, call);
        self.ask_again(self.called, stage);
    }

    pub(super) fn mint(&mut self, stage: &Stage) -> ReservationId {
        self.minted += 1;
        mint(self.clock(stage), self.minted << 8 | self.number as u128)
    }

    fn ask_again(&mut self, number: u64, stage: &mut Stage) {
        let Some(Call::Asked { pool, service, tokens, reservation, tries }) = self.calls.get_mut(&number)
        else {
            return;
        };
        *tries += 1;
        let (pool, reservation) = (*pool, *reservation);
        let ask = Ask::Reserve { reservation, service: service.clone(), tokens: *tokens };
        self.send(pool, ask, stage);
        let wait = stage.dice.ms(20..700);
        self.later(wait, Timer::Unanswered(number), stage);
    }

    /// Nobody has answered in time: the same again, or a hold of its own if it may.
    pub(super) fn unanswered(&mut self, number: u64, stage: &mut Stage) {
        let Some(Call::Asked { pool, service, tokens, reservation, tries }) =
            self.calls.get(&number).cloned()
        else {
            return;
        };
        if tries < TRIES_MAX {
            return self.ask_again(number, stage);
        }
        self.calls.remove(&number);
        self.give_up(pool, Release::Reservation(reservation), &service, stage);
        let now = self.clock(stage);
        if let Some(hold) = self.outages.admit(pool, &service, tokens, now) {
            stage.seen.self_granted += 1;
            self.admitted(number, Call::Admitted { pool, service, hold }, stage);
        }
    }

    /// A decision on a reservation. One that nobody waits for any more is dropped.
    pub(super) fn decided(
        &mut self,
        in_pool: usize,
        of: ReservationId,
        held: Option<HoldId>,
        stage: &mut Stage,
    ) {
        let waits = |call: &Call| matches!(call, Call::Asked { pool, reservation, .. } if *pool == in_pool && *reservation == of);
        let found = self.calls.iter().find(|(_, call)| waits(call)).map(|(number, _)| *number);
        let Some((number, Call::Asked { service, .. })) =
            found.and_then(|number| Some((number, self.calls.remove(&number)?)))
        else {
            return;
        };
        let Some(hold) = held else { return };
        if stage.dice.one_in(12) {
            return self.give_up(in_pool, Release::Hold(hold), &service, stage);
        }
        self.admitted(number, Call::Admitted { pool: in_pool, service, hold }, stage);
    }

    /// It may be made as soon as the log has it.
    fn admitted(&mut self, number: u64, call: Call, stage: &mut Stage) {
        self.calls.insert(number, call);
        let wait = stage.dice.ms(0..4);
        self.later(wait, Timer::Begin(number), stage);
    }

    /// The log has it, and the call is made.
    pub(super) fn begin(&mut self, number: u64, scene: &mut Scene) -> Checked {
        let Some(Call::Admitted { pool, service, hold }) = self.calls.remove(&number) else { return Ok(()) };
        scene.stage.note(|| format!("gateway {} makes a call with {hold} of pool {pool}", self.number));
        scene.pools[pool].begin_call(hold, &service)?;
        self.log.insert(number, Logged { pool, service, hold, used: None });
        let lasts = match scene.stage.dice.within(0..20) {
            0 => scene.stage.dice.ms(30_000..200_000),
            1..5 => scene.stage.dice.ms(2_000..12_000),
            _ => scene.stage.dice.ms(5..1_500),
        };
        self.later(lasts, Timer::End(number), scene.stage);
        if scene.stage.dice.percent(80) {
            self.later(EXTEND_EVERY, Timer::Extend(number), scene.stage);
        }
        Ok(())
    }

    pub(super) fn extend(&mut self, number: u64, stage: &mut Stage) {
        let Some(logged) = self.log.get(&number).filter(|logged| logged.used.is_none()) else { return };
        if logged.hold.slice().is_self_granted() {
            return;
        }
        let ask = Ask::Extend { hold: logged.hold, service: logged.service.clone() };
        self.send(logged.pool, ask, stage);
        self.later(EXTEND_EVERY, Timer::Extend(number), stage);
    }

    /// Declares all that goes on to a pool's node, as after a connection was lost.
    pub(crate) fn declare(&self, in_pool: usize, stage: &mut Stage) {
        if !self.is_up {
            return;
        }
        for logged in self.log.values().filter(|logged| logged.used.is_none() && logged.pool == in_pool) {
            if !logged.hold.slice().is_self_granted() {
                let ask = Ask::Extend { hold: logged.hold, service: logged.service.clone() };
                self.send(in_pool, ask, stage);
            }
        }
    }

    /// The call has ended, and the log has what it used.
    pub(super) fn end(&mut self, number: u64, scene: &mut Scene) {
        let Some(logged) = self.log.get_mut(&number).filter(|logged| logged.used.is_none()) else { return };
        let (dice, held) = (&mut scene.stage.dice, logged.hold.tokens().get());
        let used = match dice.within(0..10) {
            _ if dice.percent(scene.stage.weather.overdraw_percent) => {
                let most = if dice.one_in(8) { 30_000 } else { 600 };
                held + dice.within(1..most)
            }
            0 => 0,
            1..3 => held,
            _ => dice.within(0..held + 1),
        };
        let used = Tokens::new(used);
        logged.used = Some(used);
        scene.stage.note(|| format!("gateway {} has used {used} of {}", self.number, logged.hold));
        scene.pools[logged.pool].book.end(logged.hold, used);
        self.settle(number, scene.stage);
    }

    /// Settles, and again until that is acknowledged.
    pub(super) fn settle(&mut self, number: u64, stage: &mut Stage) {
        let Some(Logged { pool, service, hold, used: Some(used) }) = self.log.get(&number).cloned() else {
            return;
        };
        self.send(pool, Ask::Settle { hold, service, used }, stage);
        let wait = stage.dice.ms(30..2_000);
        self.later(wait, Timer::Settle(number), stage);
    }

    /// A settle is acknowledged: the log may forget the call.
    pub(super) fn settled(&mut self, in_pool: usize, hold: HoldId) {
        let mut forgotten = None;
        self.log.retain(|_, logged| {
            let is_it = logged.pool == in_pool && logged.hold == hold;
            if is_it {
                forgotten = logged.used;
            }
            !is_it
        });
        if let Some(used) = forgotten {
            self.rest_of(in_pool, hold, used);
        }
    }
}
