//! What must be true in every state.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_domain::amount::Tokens;
use weir_domain::bucket::Level;
use weir_domain::ids::{HoldId, SliceId};
use weir_domain::ledger::invariants as promises;
use weir_domain::ledger::{Event, Moved, Settlement, Slice, SliceState};

use crate::state::{BASELINE, CALLERS, Call, Local, SERVICE, State};

impl State {
    /// Whether every promise holds. `tokens` is what the allocation began with.
    pub(crate) fn check(&self, tokens: u64) -> Result<(), String> {
        let ledger = self.desk.ledger();
        let account = ledger.account(&SERVICE).unwrap();
        let place = ledger.place(&SERVICE).unwrap();
        promises::invariant_conservation(account).map_err(|broken| broken.to_string())?;
        promises::invariant_outstanding(ledger).map_err(|broken| broken.to_string())?;
        promises::invariant_levels(ledger, place).map_err(|broken| broken.to_string())?;
        self.check_under_way()?;
        self.check_known()?;
        self.check_slices()?;
        self.check_bucket(tokens)?;
        self.check_total(tokens)
    }

    /// Holds that somebody has or may yet be told of, with what they have of it.
    fn committed(&self) -> impl Iterator<Item = (HoldId, Tokens)> {
        self.calls.iter().filter_map(|call| match call {
            Call::Idle | Call::Asked { waiting: None, .. } => None,
            Call::Held(hold) | Call::Asked { waiting: Some((hold, _)), .. } => Some((*hold, hold.tokens())),
            Call::Ended { hold, used, .. } => Some((*hold, hold.tokens().min(*used))),
        })
    }

    /// What counts as under way is what callers wait for or hold.
    fn check_under_way(&self) -> Result<(), String> {
        let (count, holds) = (self.desk.in_flight(&SERVICE), self.desk.holds());
        let asked = self.calls[..CALLERS]
            .iter()
            .filter(|call| matches!(call, Call::Held(_) | Call::Asked { waiting: Some(_), .. }));
        // After a crash only those that were declared again.
        let is_right = count as usize == holds && (self.crashes > 0 || holds == asked.count());
        if is_right {
            Ok(())
        } else {
            Err(format!("limits: {count} under way, {holds} holds, {:?}", self.calls))
        }
    }

    /// A hold is known as settled if it was charged, and only then.
    fn check_known(&self) -> Result<(), String> {
        for (hold, _) in self.committed() {
            let known = self.desk.ledger().settlement_of(hold);
            let is_charged = self.charge_of(hold).is_some();
            let right = if is_charged { Settlement::Settled } else { Settlement::Outstanding };
            if known != right {
                return Err(format!("settle once: {hold} is {known:?}, charged: {is_charged}"));
            }
        }
        let used: Tokens = self.charged.iter().map(|charged| charged.used).sum();
        let settled = self.desk.ledger().account(&SERVICE).unwrap().totals().settled;
        if used == settled { Ok(()) } else { Err(format!("settle once: {settled} of {used} are charged")) }
    }

    /// What callers have of a slice and was not charged, and what may still be handed out, is outstanding in it.
    fn check_slices(&self) -> Result<(), String> {
        let mut open: BTreeMap<SliceId, Tokens> = BTreeMap::new();
        for (hold, tokens) in self.committed().filter(|(hold, _)| self.charge_of(*hold).is_none()) {
            *open.entry(hold.slice()).or_default() += tokens;
        }
        if let Local::Held { slice, free, .. } = self.local {
            *open.entry(slice).or_default() += free;
        }
        let ledger = self.desk.ledger();
        let in_slice = |slice: SliceId| ledger.slice(slice).map(Slice::tokens).unwrap_or_default();
        if let Some((slice, tokens)) = open.iter().find(|(slice, tokens)| **tokens > in_slice(**slice)) {
            return Err(format!(
                "never over-admit: {tokens} are out of {slice}, which has {}",
                in_slice(*slice)
            ));
        }
        let has_other = |(id, slice): &(SliceId, &Slice)| {
            let sealed = matches!(slice.state(), SliceState::Sealed { .. }) && slice.holder().is_none();
            sealed && open.get(id) != Some(&slice.tokens())
        };
        // After a crash there may be holds of which nobody was told.
        if self.crashes == 0
            && let Some(other) = ledger.slices().find(has_other)
        {
            return Err(format!("conservation: {open:?} are held, {other:?}"));
        }
        let at_desk = ledger
            .slices()
            .filter(|(_, slice)| slice.state() == SliceState::Open && slice.holder().is_none());
        let idle: Tokens = at_desk
            .map(|(id, slice)| slice.tokens().saturating_sub(open.get(&id).copied().unwrap_or_default()))
            .sum();
        let in_hand = self.desk.in_hand(&SERVICE);
        if in_hand <= idle {
            Ok(())
        } else {
            Err(format!("never over-admit: {in_hand} in hand, {idle} are idle"))
        }
    }

    /// No slice is handed out any more, at the gateway or at the desk.
    pub(crate) fn check_none_open(&self, at_gateway: bool) -> Result<(), String> {
        let is_open = |(_, slice): &(SliceId, &Slice)| {
            slice.state() == SliceState::Open && slice.holder().is_some() == at_gateway
        };
        match self.desk.ledger().slices().find(is_open) {
            Some(open) => Err(format!("never over-admit: {open:?} should have lapsed")),
            None => Ok(()),
        }
    }

    /// While time stands still, the bucket has what nobody took.
    fn check_bucket(&self, tokens: u64) -> Result<(), String> {
        let ledger = self.desk.ledger();
        let totals = ledger.account(&SERVICE).unwrap().totals();
        let taken = Level::from_tokens(totals.drawn + totals.overdrawn);
        let left = Level::from_tokens(Tokens::new(tokens) + totals.returned).minus(taken);
        let level = ledger.levels().guarantee(ledger.place(&SERVICE).unwrap());
        let is_right = level == left || self.waited > Duration::ZERO;
        if is_right {
            Ok(())
        } else {
            Err(format!("conservation: {level:?} instead of {left:?}, {totals:?}"))
        }
    }

    /// All that callers have or used is no more than the bucket had, and what it was refilled with.
    fn check_total(&self, tokens: u64) -> Result<(), String> {
        let now = self.spent + self.committed().map(|(_, tokens)| tokens).sum();
        let span_ns = i128::try_from(self.waited.as_nanos()).unwrap();
        let had = Level::from_tokens(Tokens::new(tokens)).plus(Level::from_rate(BASELINE, span_ns));
        let fits = Level::from_tokens(now) <= had;
        if fits {
            Ok(())
        } else {
            Err(format!("never over-admit: {now} of {} tokens are out", had.available()))
        }
    }

    /// Whatever was acknowledged is in the journal.
    pub(crate) fn check_acknowledged(&self) -> Result<(), String> {
        let settled = |hold: HoldId| {
            self.journal.iter().filter(move |event| {
                matches!(event, Event::Moved(moved) if matches!(moved.what, Moved::Settled { hold: of, .. } if of == hold))
            })
        };
        for call in &self.calls {
            if let Call::Ended { hold, acknowledged: true, .. } = call
                && settled(*hold).count() != 1
            {
                return Err(format!("settle once: {hold} is acknowledged, journal: {:?}", self.journal));
            }
        }
        Ok(())
    }
}
