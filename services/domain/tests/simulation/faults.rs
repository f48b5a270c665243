//! What becomes of a node: its appends succeed, fail, or end nobody knows how; it is killed, or ends cleanly.

use weir_domain::ledger::Event;

use crate::Checked;
use crate::messages::Tell;
use crate::pool::{Pool, Process};
use crate::stage::{Happening, Stage};

impl Pool {
    /// An append ends.
    pub(crate) fn appended(&mut self, life: u32, stage: &mut Stage) -> Checked {
        let is_its = self.is_life(life);
        let Process::Up(node) = &mut self.process else { return Ok(()) };
        if !is_its {
            return Ok(());
        }
        let Some((mark, events)) = node.appending.take() else { return Ok(()) };
        stage.seen.appends += 1;
        if stage.dice.percent(stage.weather.rejected_percent) {
            stage.seen.appends_rejected += 1;
            return self.lose(stage);
        }
        if stage.dice.percent(stage.weather.unknown_percent) {
            stage.seen.appends_unknown += 1;
            self.record_perhaps(events, stage)?;
            return self.lose(stage);
        }
        self.journal.record(events)?;
        self.recorded(mark, stage)?;
        self.pump(stage)
    }

    /// All of it is in the journal, or nothing; of movements alone perhaps a part.
    fn record_perhaps(&mut self, mut events: Vec<Event>, stage: &mut Stage) -> Checked {
        let divisible = events.iter().all(|event| matches!(event, Event::Moved(_)));
        let kept = match stage.dice.within(0..4) {
            0 => 0,
            1 if divisible => stage.dice.place(events.len() + 1),
            _ => events.len(),
        };
        stage.note(|| format!("pool {}: {kept} of {} events are in the journal", self.number, events.len()));
        events.truncate(kept);
        self.journal.record(events)
    }

    /// Nobody knows what the desk rests on: it is thrown away, and whoever waits is told that nothing was decided.
    fn lose(&mut self, stage: &mut Stage) -> Checked {
        stage.note(|| format!("pool {} loses its desk", self.number));
        let lost = std::mem::replace(&mut self.process, Process::Lost);
        if let Process::Up(node) = lost {
            for waiting in &node.waiting {
                self.tell(waiting.to, Tell::Undecided, stage)?;
            }
        }
        let wait = stage.dice.ms(1..600);
        stage.after(wait, Happening::Rise { pool: self.number });
        Ok(())
    }

    /// The node is killed; or ends cleanly, if nothing is being appended.
    pub(crate) fn kill(&mut self, stage: &mut Stage) -> Checked {
        if let Process::Up(mut node) = std::mem::replace(&mut self.process, Process::Down) {
            stage.seen.kills += 1;
            stage.note(|| format!("pool {} goes down", self.number));
            if let Some((_, events)) = node.appending.take() {
                self.record_perhaps(events, stage)?;
            } else if stage.dice.one_in(3) {
                self.end_cleanly(*node, stage)?;
            }
        }
        let wait = stage.dice.ms(20..3_000);
        stage.after(wait, Happening::Rise { pool: self.number });
        Ok(())
    }

    fn end_cleanly(&mut self, mut node: crate::node::Node, stage: &mut Stage) -> Checked {
        node.desk.close();
        let mut events = Vec::new();
        let mark = node.desk.take_events(&mut events);
        events.iter().try_for_each(|event| self.see(event, stage))?;
        let left = node.desk.ledger().slices().find(|(_, slice)| {
            slice.state() == weir_domain::ledger::SliceState::Open && slice.holder().is_none()
        });
        if let Some(left) = left {
            return Err(format!("conservation: a desk that was closed keeps {left:?}"));
        }
        self.journal.record(events)?;
        self.process = Process::Up(Box::new(node));
        if let Some(mark) = mark {
            self.recorded(mark, stage)?;
        }
        self.process = Process::Down;
        Ok(())
    }

    /// Somebody takes a snapshot of what the journal has.
    pub(crate) fn take_snapshot(&mut self, stage: &mut Stage) {
        stage.note(|| format!("pool {}: a snapshot of {} events", self.number, self.journal.events().len()));
        self.journal.take_snapshot();
    }
}
