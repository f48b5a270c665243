//! What slices have, by the events alone: drawn, and neither used, nor given back, nor lapsed.

use std::collections::BTreeMap;

use weir_domain::amount::Money;
use weir_domain::ids::{BudgetId, HoldId, ServiceId, SliceId};
use weir_domain::ledger::{Drawn, Quantity};

use crate::node::PRICE;

/// The how-manieth period that was opened, of any budget.
pub(super) type Opening = u64;

struct Slice {
    service: ServiceId,
    at_gateway: bool,
    left: Quantity,
    settled: u32,
    /// How many holds there were, once it is known.
    holds: Option<u32>,
    /// Once it has lapsed: which periods counted what was left.
    lapsed_in: Option<BTreeMap<BudgetId, Opening>>,
}

/// What a settle means to budgets.
#[derive(Default)]
pub(super) struct Settled {
    /// What was used and has not been counted yet.
    pub(super) beyond: Quantity,
    /// What was counted, in these periods, and was not used.
    pub(super) back: Quantity,
    pub(super) lapsed_in: BTreeMap<BudgetId, Opening>,
}

/// The slices that are not over.
#[derive(Default)]
pub(super) struct Slices(BTreeMap<SliceId, Slice>);

impl Slices {
    pub(super) fn draw(&mut self, service: &ServiceId, drawn: &Drawn) {
        let left = Quantity { tokens: drawn.tokens, money: drawn.money };
        let (service, at_gateway) = (service.clone(), drawn.holder.is_some());
        let slice = Slice { service, at_gateway, left, settled: 0, holds: None, lapsed_in: None };
        self.0.insert(drawn.slice, slice);
    }

    /// A hold is settled. An error if the desk, which knew, says that it held more money than its tokens can cost.
    pub(super) fn settle(&mut self, hold: HoldId, held: Money, used: Quantity) -> Result<Settled, String> {
        let Some(slice) = self.0.get_mut(&hold.slice()) else {
            return Ok(Settled { beyond: used, ..Settled::default() });
        };
        let knew = !slice.at_gateway && slice.lapsed_in.is_none();
        if knew && held.get() > hold.tokens().get() * PRICE {
            return Err(format!("limits: {hold} held {held} for {} tokens", hold.tokens()));
        }
        let held = least(Quantity { tokens: hold.tokens(), money: held }, slice.left);
        let covered = least(used, held);
        slice.settled += 1;
        slice.left = slice.left.less(covered);
        let settled = match &slice.lapsed_in {
            Some(lapsed_in) => {
                let (beyond, back) = (used.less(covered), held.less(covered));
                Settled { beyond, back, lapsed_in: lapsed_in.clone() }
            }
            None => Settled { beyond: used, ..Settled::default() },
        };
        if slice.holds.is_some() || slice.lapsed_in.is_some() {
            slice.left = slice.left.less(held.less(covered));
        }
        self.end(hold.slice());
        Ok(settled)
    }

    pub(super) fn seal(&mut self, id: SliceId, free: Quantity, holds: u32) {
        if let Some(slice) = self.0.get_mut(&id) {
            slice.left = slice.left.less(free);
            slice.holds = Some(holds);
        }
        self.end(id);
    }

    /// Nobody has anything of a slice whose holds are all settled.
    fn end(&mut self, id: SliceId) {
        let is_over = |slice: &Slice| {
            slice.lapsed_in.is_none() && slice.holds.is_some_and(|holds| slice.settled >= holds)
        };
        if self.0.get(&id).is_some_and(is_over) {
            self.0.remove(&id);
        }
    }

    /// What was left of a slice that lapses.
    pub(super) fn lapse(&mut self, id: SliceId, counted_in: BTreeMap<BudgetId, Opening>) -> Quantity {
        let Some(slice) = self.0.get_mut(&id) else { return Quantity::ZERO };
        slice.lapsed_in = Some(counted_in);
        slice.left
    }

    /// What a service has in slices that have not lapsed.
    pub(super) fn drawn(&self, service: &ServiceId) -> Quantity {
        let counts = |slice: &&Slice| slice.service == *service && slice.lapsed_in.is_none();
        self.0.values().filter(counts).fold(Quantity::ZERO, |sum, slice| sum.plus(slice.left))
    }
}

fn least(one: Quantity, other: Quantity) -> Quantity {
    Quantity { tokens: one.tokens.min(other.tokens), money: one.money.min(other.money) }
}
