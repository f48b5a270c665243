//! Watches the events of a pool one by one, with a ledger of its own and the witnesses of the promises.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_domain::amount::Tokens;
use weir_domain::ids::{ServiceId, SliceId};
use weir_domain::ledger::invariants::{
    self as promises, GuaranteeWitness, LimitsWitness, PhysicalWitness, Violation,
};
use weir_domain::ledger::{Drawn, Event, Ledger, Moved, Movement, TermsChanged};

use crate::Checked;
use crate::budgets::Budgets;

/// Every so many events, promises are checked that cost a look at everything.
const EVERY: usize = 16;

/// What was drawn into a slice, and what went back from it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flow {
    pub(crate) drawn: Tokens,
    pub(crate) returned: Tokens,
}

#[derive(Default)]
pub(crate) struct Watch {
    ledger: Ledger,
    /// The same, one event behind.
    before: Ledger,
    physical: PhysicalWitness,
    guarantee: GuaranteeWitness,
    limits: LimitsWitness,
    budgets: Budgets,
    flows: BTreeMap<SliceId, Flow>,
    seen: usize,
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
pub(crate) fn text(violation: Violation) -> String {
    violation.to_string()
}

impl Watch {
    /// Sees events that are known to be right.
    pub(crate) fn of(events: &[Event]) -> Result<Self, String> {
        let mut watch = Self::default();
        events.iter().try_for_each(|event| watch.see(event))?;
        Ok(watch)
    }

    /// Sees what happened next.
    pub(crate) fn see(&mut self, event: &Event) -> Checked {
        self.ledger.evolve(event);
        self.physical.see(&self.before, event, &self.ledger);
        self.guarantee.see(&self.before, event, &self.ledger);
        self.limits.see(&self.before, event, &self.ledger);
        self.budgets.see(event, &self.ledger)?;
        if let Event::Moved(movement) = event {
            self.note_flow(movement);
            self.check_account(&movement.service)?;
        }
        self.before.evolve(event);
        self.physical.invariant_physical(&self.ledger).map_err(text)?;
        self.limits.invariant_limits().map_err(text)?;
        self.seen += 1;
        match event {
            Event::Governed(governed) => self.check_terms(&governed.what),
            Event::Moved(_) if self.seen.is_multiple_of(EVERY) => self.check_all(),
            Event::Moved(_) => Ok(()),
        }
    }

    /// The ledger by its events alone.
    pub(crate) fn ledger(&mut self, now: weir_domain::time::Timestamp) -> &Ledger {
        self.ledger.advance(now);
        &self.ledger
    }

    pub(crate) fn flow(&self, slice: SliceId) -> Flow {
        self.flows.get(&slice).copied().unwrap_or_default()
    }

    pub(crate) fn guarantee(&self) -> &GuaranteeWitness {
        &self.guarantee
    }

    fn note_flow(&mut self, movement: &Movement) {
        let slice = match &movement.what {
            Moved::Drawn(Drawn { slice, tokens, .. }) => {
                self.flows.insert(*slice, Flow { drawn: *tokens, returned: Tokens::ZERO });
                return;
            }
            Moved::Settled { hold, .. } => hold.slice(),
            Moved::Sealed { slice, .. } => *slice,
            _ => return,
        };
        let returned = |ledger: &Ledger| {
            ledger.account(&movement.service).map(|account| account.totals().returned).unwrap_or_default()
        };
        let back = returned(&self.ledger).saturating_sub(returned(&self.before));
        self.flows.entry(slice).or_default().returned += back;
    }

    fn check_account(&self, service: &ServiceId) -> Checked {
        let Some(place) = self.ledger.place(service) else { return Ok(()) };
        promises::invariant_conservation(self.ledger.account_at(place)).map_err(text)?;
        promises::invariant_levels(&self.ledger, place).map_err(text)
    }

    fn check_all(&self) -> Checked {
        promises::invariant_sum(&self.ledger).map_err(text)?;
        promises::invariant_outstanding(&self.ledger).map_err(text)
    }

    /// Guarantees fit, and bursts count within their windows.
    fn check_terms(&self, changed: &TermsChanged) -> Checked {
        let ledger = &self.ledger;
        // Of several decisions that are one, only the last must fit.
        if matches!(changed, TermsChanged::BurstApproved { .. } | TermsChanged::BurstExtended { .. }) {
            promises::invariant_fit(ledger).map_err(text)?;
        }
        for account in ledger.accounts() {
            let service = account.service();
            let windows = ledger.terms().bursts_of(service).map(|record| record.burst.window);
            let edges = windows.flat_map(|window| [window.start(), window.end()]);
            let nano = Duration::from_nanos(1);
            for at in edges.flat_map(|edge| [edge.minus(nano), edge]).chain([ledger.at()]) {
                if at >= ledger.at() {
                    promises::invariant_time_box(ledger, service, at).map_err(text)?;
                }
            }
        }
        self.check_all()
    }
}
