//! Slices that a gateway has drawn, from which it admits with no call at all.
//!
//! What a settled call left of its hold goes back with the slice if the settle is acknowledged by then, and is not handed out
//! again: nobody but quota knows whether the slice had lapsed, and the rest been given back, before.

use weir_domain::amount::{Money, Tokens};
use weir_domain::desk::{NODE_SLICE_LIFETIME, NodeSlice};
use weir_domain::ids::{HoldId, ReservationId, ServiceId, SliceId};
use weir_domain::ledger::{Quantity, Seal};
use weir_domain::time::Timestamp;

use super::Gateway;
use crate::messages::Ask;
use crate::stage::{Stage, Timer};

/// How often a slice is given back before it is left to lapse.
const RETURNS_MAX: u32 = 4;

/// A slice, or one that was asked for.
#[derive(Debug, Clone)]
pub(super) enum Local {
    Asked {
        reservation: ReservationId,
        need: Tokens,
        ahead: Tokens,
    },
    Held {
        slice: SliceId,
        until: Timestamp,
        free: Tokens,
        rest: Tokens,
        holds: u32,
    },
    /// It goes back.
    Sealed(Seal),
}

impl Gateway {
    /// A hold of a slice at hand. Asks for a slice where there is none, of some services.
    pub(super) fn hand_out(
        &mut self,
        pool: usize,
        service: &ServiceId,
        tokens: Tokens,
        stage: &mut Stage,
    ) -> Option<HoldId> {
        match self.locals.get_mut(&(pool, service.clone())) {
            None => {
                if stage.dice.percent(stage.weather.slices_percent) {
                    self.draw(pool, service, tokens, stage);
                }
                None
            }
            Some(Local::Held { slice, until, free, holds, .. })
                if *free >= tokens && stage.now() < *until =>
            {
                let hold = HoldId::try_pack(*slice, *holds, tokens)?;
                *free = free.saturating_sub(tokens);
                *holds += 1;
                stage.seen.handed_by_nodes += 1;
                Some(hold)
            }
            Some(Local::Asked { .. }) => {
                // Maybe the answer was lost.
                if stage.dice.one_in(4) {
                    self.draw_again(pool, service, stage);
                }
                None
            }
            Some(_) => None,
        }
    }

    fn draw(&mut self, pool: usize, service: &ServiceId, need: Tokens, stage: &mut Stage) {
        let (reservation, ahead) = (self.mint(stage), Tokens::new(stage.dice.within(0..3_000)));
        self.locals.insert((pool, service.clone()), Local::Asked { reservation, need, ahead });
        self.draw_again(pool, service, stage);
    }

    fn draw_again(&mut self, pool: usize, service: &ServiceId, stage: &mut Stage) {
        if let Some(Local::Asked { reservation, need, ahead }) = self.locals.get(&(pool, service.clone())) {
            let (reservation, need, ahead) = (*reservation, *need, *ahead);
            self.send(pool, Ask::Draw { reservation, service: service.clone(), need, ahead }, stage);
        }
    }

    /// A slice was drawn, or refused. One that nobody waits for is left to lapse.
    pub(super) fn drawn(
        &mut self,
        in_pool: usize,
        of: ReservationId,
        drawn: Option<NodeSlice>,
        stage: &mut Stage,
    ) {
        let asked = |local: &Local| matches!(local, Local::Asked { reservation, .. } if *reservation == of);
        let key = self.locals.iter().find(|((pool, _), local)| *pool == in_pool && asked(local));
        let Some(key) = key.map(|(key, _)| key.clone()) else { return };
        let Some(NodeSlice { slice, quantity, hand_out_until, .. }) = drawn else {
            self.locals.remove(&key);
            return;
        };
        let (free, rest) = (quantity.tokens, Tokens::ZERO);
        self.locals.insert(key, Local::Held { slice, until: hand_out_until, free, rest, holds: 0 });
        let most = u64::try_from(NODE_SLICE_LIFETIME.as_millis()).expect("ten seconds are few") + 500;
        let wait = if stage.dice.percent(90) { stage.dice.ms(50..2_500) } else { stage.dice.ms(2_500..most) };
        self.later(wait, Timer::Return { pool: in_pool, slice, tries: 0 }, stage);
    }

    /// Gives a slice back, a few times until that is acknowledged; then lets it be.
    pub(super) fn return_slice(&mut self, in_pool: usize, of: SliceId, tries: u32, stage: &mut Stage) {
        let is_it = |local: &Local| match local {
            Local::Asked { .. } => false,
            Local::Held { slice, .. } => *slice == of,
            Local::Sealed(seal) => seal.slice == of,
        };
        let found = self.locals.iter().find(|((pool, _), local)| *pool == in_pool && is_it(local));
        let Some((key, local)) = found.map(|(key, local)| (key.clone(), local.clone())) else { return };
        if tries == RETURNS_MAX {
            self.locals.remove(&key);
            return;
        }
        let seal = match local {
            Local::Held { slice, free, rest, holds, .. } => {
                Seal { slice, free: Quantity { tokens: free + rest, money: Money::ZERO }, holds }
            }
            Local::Sealed(seal) => seal,
            Local::Asked { .. } => return,
        };
        self.locals.insert(key, Local::Sealed(seal));
        self.send(in_pool, Ask::Return(seal), stage);
        let wait = stage.dice.ms(50..800);
        self.later(wait, Timer::Return { pool: in_pool, slice: of, tries: tries + 1 }, stage);
    }

    /// A slice has gone back.
    pub(super) fn returned(&mut self, in_pool: usize, slice: SliceId) {
        self.locals.retain(|(pool, _), local| {
            *pool != in_pool || !matches!(local, Local::Sealed(seal) if seal.slice == slice)
        });
    }

    /// What an acknowledged settle left of a hold goes back with its slice.
    pub(super) fn rest_of(&mut self, in_pool: usize, hold: HoldId, used: Tokens) {
        for ((pool, _), local) in &mut self.locals {
            if let Local::Held { slice, rest, .. } = local
                && *slice == hold.slice()
                && *pool == in_pool
            {
                *rest += hold.tokens().saturating_sub(used);
            }
        }
    }
}
