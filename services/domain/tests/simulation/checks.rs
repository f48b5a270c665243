//! What is checked of a pool while a run goes on: every event, every slice whenever it changes, and some calls in full.

use weir_domain::bucket::Level;
use weir_domain::ids::{HoldId, ServiceId, SliceId};
use weir_domain::ledger::{Event, Moved, Refusal, Slice};

use crate::Checked;
use crate::pool::{Pool, Process};
use crate::retry;
use crate::stage::Stage;
use crate::watch::text;

/// One in so many is checked of what costs much.
const SAMPLE: u64 = 8;

impl Pool {
    /// Something happened.
    pub(crate) fn see(&mut self, event: &Event, stage: &mut Stage) -> Checked {
        self.watch.see(event)?;
        let Event::Moved(movement) = event else { return Ok(()) };
        match &movement.what {
            Moved::Settled { hold, used, .. } => {
                self.book.charge(*hold, used.tokens)?;
                self.check_slice(hold.slice())
            }
            Moved::Sealed { slice, .. } => self.check_slice(*slice),
            Moved::Lapsed { slice } => {
                let at_node = |slice: &Slice| slice.holder().is_some();
                let now = movement.at;
                let is_theirs = self.watch.ledger(now).slice(*slice).is_some_and(at_node);
                stage.seen.lapsed_at_nodes += usize::from(is_theirs);
                Ok(())
            }
            Moved::Drawn(drawn) => {
                stage.seen.borrowed += usize::from(drawn.borrowed > Level::ZERO);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A call is made with a hold.
    pub(crate) fn begin_call(&mut self, hold: HoldId, service: &ServiceId) -> Checked {
        self.book.begin(hold, service)?;
        self.check_slice(hold.slice())
    }

    /// What callers hold or used of a slice, and what went back of it, is no more than was drawn into it.
    pub(crate) fn check_slice(&self, slice: SliceId) -> Checked {
        if slice.is_self_granted() {
            return Ok(());
        }
        let (flow, committed) = (self.watch.flow(slice), self.book.committed(slice));
        let fits = committed + flow.returned <= flow.drawn;
        let what = || format!("never over-admit: callers have {committed} of slice {slice}, {flow:?}");
        if fits { Ok(()) } else { Err(what()) }
    }

    /// Nobody is told of a hold that a crash would bring in the way of another.
    pub(crate) fn check_durable(&self, slice: SliceId) -> Checked {
        let out = self.book.out_of(slice, |hold| self.journal.has_settled(hold));
        let drawn = self.watch.flow(slice).drawn;
        let what = || {
            format!("never over-admit: after a crash {out} would be out of slice {slice}, which has {drawn}")
        };
        if out <= drawn { Ok(()) } else { Err(what()) }
    }

    /// Checks that cost much, of one call in some.
    pub(crate) fn check_sometimes(&mut self, stage: &mut Stage) -> Checked {
        let Process::Up(node) = &mut self.process else { return Ok(()) };
        let refused = node.refused_last.take();
        stage.seen.deficits += usize::from(node.desk.ledger().deficit() > Level::ZERO);
        if node.desk.has_events() {
            return Ok(());
        }
        let now = node.desk.ledger().at();
        if stage.dice.one_in(SAMPLE) {
            node.check_under_way()?;
            stage.seen.replays_checked += 1;
            if self.watch.ledger(now) != node.desk.ledger() {
                return Err("replay: the events do not bring back the ledger".into());
            }
        }
        let Some((ask, refusal)) = refused else { return Ok(()) };
        if matches!(refusal, Refusal::CapacityUsed(_)) {
            stage.seen.guarantees_checked += 1;
            let guarantee = self.watch.guarantee();
            guarantee.invariant_guarantee(&ask.service, ask.need.tokens, now).map_err(text)?;
        }
        if stage.dice.one_in(SAMPLE) {
            stage.seen.retries_checked += 1;
            retry::check(&node.desk, &ask, &refusal)?;
        }
        Ok(())
    }
}
