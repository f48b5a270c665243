//! What must be true of a pool when everything is settled and nothing is under way.

use std::collections::BTreeMap;

use weir_domain::amount::Tokens;
use weir_domain::ids::{HoldId, ServiceId};
use weir_domain::ledger::invariants as promises;
use weir_domain::ledger::{Ledger, SliceState};

use crate::Checked;
use crate::book::Made;
use crate::node::PRICE;
use crate::pool::{Pool, Process};
use crate::stage::Stage;
use crate::watch::text;

impl Pool {
    pub(crate) fn end(&mut self, stage: &mut Stage) -> Checked {
        let Process::Up(node) = &mut self.process else { return Err("no node has risen".into()) };
        if node.appending.is_some() || node.desk.has_events() || !node.waiting.is_empty() {
            return Err("durability: something still waits for the journal".into());
        }
        let desk = node.desk.clone();
        stage.note(|| format!("pool {} ends with {} events", self.number, self.journal.events().len()));
        self.check_settled(desk.ledger())?;
        self.check_slices(desk.ledger())?;
        Self::check_written_off(desk.ledger())?;
        for account in desk.ledger().accounts() {
            let in_flight = desk.in_flight(account.service());
            if in_flight > 0 {
                return Err(format!("limits: {} has {in_flight} under way for ever", account.service()));
            }
        }
        self.check_replay(desk.ledger())
    }

    /// Every call was charged once, to whoever made it, with what it used; and what was used beyond holds is what was taken
    /// beyond slices.
    fn check_settled(&self, ledger: &Ledger) -> Checked {
        let mut sums: BTreeMap<&ServiceId, (Tokens, Tokens)> = BTreeMap::new();
        for Made { hold, service, used } in self.book.made() {
            let used = used.ok_or_else(|| format!("settle: the call of {hold} has not ended"))?;
            let charged = self.journal.settled().get(&hold);
            if charged != Some(&(service.clone(), used)) {
                return Err(format!("settle: {hold} used {used} of {service}, charged {charged:?}"));
            }
            let held = if hold.slice().is_self_granted() { Tokens::ZERO } else { hold.tokens() };
            let (sum, beyond) = sums.entry(service).or_default();
            *sum += used;
            *beyond += used.saturating_sub(held);
        }
        for account in ledger.accounts() {
            let totals = account.totals();
            let truth = sums.get(account.service()).copied().unwrap_or_default();
            if (totals.settled, totals.overdrawn) != truth {
                let who = account.service();
                return Err(format!("settle: {who} used {truth:?}, used and beyond holds; {totals:?}"));
            }
        }
        Ok(())
    }

    /// What is left in slices is what holds have that nobody ever used, to the token; or the slice has lapsed.
    fn check_slices(&self, ledger: &Ledger) -> Checked {
        for (id, slice) in ledger.slices() {
            let open = self.book.handed(id).filter(|hold| !self.journal.has_settled(*hold));
            let held: Tokens = open.map(HoldId::tokens).sum();
            let is_right = match (slice.state(), slice.holder()) {
                (SliceState::Open, _) => false,
                (SliceState::Sealed { .. }, None) => slice.tokens() == held,
                (SliceState::Sealed { .. }, Some(_)) => slice.tokens() >= held,
                (SliceState::Lapsed, _) => true,
            };
            // A gateway does not know what is left of a slice in money.
            let money_max = slice.tokens().get() * PRICE;
            let is_known = slice.holder().is_none() && !self.journal.is_priced_no_longer(id);
            let is_paid_for = !is_known || slice.outstanding().money.get() <= money_max;
            if !is_right || !is_paid_for {
                return Err(format!("conservation: {held} are held of {slice:?}"));
            }
        }
        Ok(())
    }

    /// No token is written off while all slices that lapsed are remembered.
    fn check_written_off(ledger: &Ledger) -> Checked {
        let written_off = ledger.accounts().find(|account| account.totals().lapsed > Tokens::ZERO);
        written_off.map_or(Ok(()), |account| {
            Err(format!("conservation: tokens of {} are nobody's: {:?}", account.service(), account.totals()))
        })
    }

    /// The journal alone brings the ledger back; so does a snapshot, and so do events that come twice.
    fn check_replay(&mut self, ledger: &Ledger) -> Checked {
        let events = self.journal.events();
        promises::invariant_replay(ledger, events).map_err(text)?;
        promises::invariant_snapshot(ledger).map_err(text)?;
        promises::invariant_outstanding(ledger).map_err(text)?;
        promises::invariant_fit(ledger).map_err(text)?;
        let doubled = self.journal.doubled();
        let snapshot = self.journal.rebuilt();
        for (what, mut rebuilt) in
            [("events that come twice bring", doubled), ("a snapshot brings", snapshot)]
        {
            rebuilt.advance(ledger.at());
            if rebuilt != *ledger {
                return Err(format!("replay: {what} another ledger"));
            }
        }
        if self.watch.ledger(ledger.at()) != ledger {
            return Err("replay: the events one by one bring another ledger".into());
        }
        Ok(())
    }
}
