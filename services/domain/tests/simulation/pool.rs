//! A pool: its journal, the node that serves it as long as that lives, and all who watch.

use std::time::Duration;

use weir_domain::desk::{Desk, Mark};
use weir_domain::ids::{NodeId, ReservationId, SliceId};
use weir_domain::ledger::invariants::invariant_fit;
use weir_domain::ledger::{Change, Ledger};
use weir_domain::time::Timestamp;

use crate::Checked;
use crate::book::Book;
use crate::govern;
use crate::journal::Journal;
use crate::messages::{Ask, Tell};
use crate::node::{Node, Waiting};
use crate::rates::Rates;
use crate::stage::{Happening, Stage};
use crate::watch::{Watch, text};

/// How often a node looks after its slices, in milliseconds; and how late it may be before a call does it.
const LOOK_MS: u64 = 100;
const OVERDUE_MS: i64 = 200;

pub(crate) enum Process {
    /// Nobody hears what is asked.
    Down,
    /// It answers that it cannot decide.
    Lost,
    Up(Box<Node>),
}

pub(crate) struct Pool {
    pub(crate) number: usize,
    pub(crate) process: Process,
    pub(crate) journal: Journal,
    pub(crate) watch: Watch,
    pub(crate) book: Book,
    pub(crate) rates: Rates,
    pub(crate) bursts: u64,
    life: u32,
    /// By how much its node's clock is ahead.
    ahead_ms: u64,
}

/// An id minted at an instant.
pub(crate) fn mint(at: Timestamp, number: u128) -> ReservationId {
    let ms = u128::try_from(at.as_millis()).expect("runs are of our time");
    ReservationId::new((ms << 80) | (7 << 76) | number)
}

pub(crate) fn gateway_id(number: usize) -> NodeId {
    NodeId::try_new(&format!("gateway-{number}")).expect("it is a name")
}

impl Pool {
    /// A pool that is defined, with a node that serves it.
    pub(crate) fn begin(number: usize, stage: &mut Stage) -> Result<Self, String> {
        let mut pool = Self {
            number,
            process: Process::Down,
            journal: Journal::default(),
            watch: Watch::default(),
            book: Book::default(),
            rates: Rates::default(),
            bursts: 0,
            life: 0,
            ahead_ms: 0,
        };
        let mut desk = Desk::new(Ledger::default(), stage.now());
        let changes = govern::beginning(stage);
        stage.note(|| format!("pool {number} begins: {changes:?}"));
        desk.change(&govern::by(stage.now()), &changes, None).what.map_err(|refused| refused.to_string())?;
        let mut events = Vec::new();
        desk.take_events(&mut events);
        pool.journal.record(events)?;
        pool.rise(stage)?;
        Ok(pool)
    }

    fn clock(&self, stage: &Stage) -> Timestamp {
        stage.now().plus(Duration::from_millis(self.ahead_ms))
    }

    /// The node begins, with what the journal has.
    pub(crate) fn rise(&mut self, stage: &mut Stage) -> Checked {
        if matches!(self.process, Process::Up(_)) {
            return Ok(());
        }
        self.life += 1;
        self.ahead_ms = stage.dice.within(0..3_000);
        let ledger = self.journal.rebuilt();
        if self.journal.has_snapshot() {
            stage.seen.from_snapshot += 1;
            if ledger != self.journal.whole() {
                return Err("replay: a snapshot and what came after it bring another ledger".into());
            }
        }
        self.watch = Watch::of(self.journal.events())?;
        let node = Node::new(ledger, self.clock(stage));
        stage.note(|| format!("pool {} rises, life {}", self.number, self.life));
        self.rates.match_limits(node.desk.ledger(), stage.now());
        self.process = Process::Up(Box::new(node));
        self.pump(stage)?;
        let slices: Vec<SliceId> = self.book.slices().collect();
        slices.into_iter().try_for_each(|slice| self.check_slice(slice))?;
        self.look_again(stage);
        Ok(())
    }

    fn look_again(&self, stage: &mut Stage) {
        let wait = Duration::from_millis(if stage.weather.is_over { 5 * LOOK_MS } else { LOOK_MS });
        stage.after(wait, Happening::Look { pool: self.number, life: self.life });
    }

    pub(crate) fn look(&mut self, life: u32, stage: &mut Stage) -> Checked {
        let now = self.clock(stage);
        let Process::Up(node) = &mut self.process else { return Ok(()) };
        if life != self.life {
            return Ok(());
        }
        node.pass(now, 0, &mut stage.seen);
        self.look_again(stage);
        self.pump(stage)
    }

    /// A gateway asks.
    pub(crate) fn hear(&mut self, from: usize, ask: Ask, stage: &mut Stage) -> Checked {
        stage.note(|| format!("gateway {from} → pool {}: {ask:?}", self.number));
        let now = self.clock(stage);
        let node = match &mut self.process {
            Process::Down => return Ok(()),
            Process::Lost => return self.tell(from, Tell::Undecided, stage),
            Process::Up(node) => node,
        };
        node.pass(now, OVERDUE_MS, &mut stage.seen);
        let answer = node.answer(&gateway_id(from), ask, &mut stage.seen)?;
        if let Some(hold) = node.admitted_last.take() {
            self.book.hand_out(hold);
            let service = node.desk.ledger().service_of(hold.slice()).ok_or("a hold is of nobody's slice")?;
            self.rates.admit(service, node.desk.ledger(), stage.now())?;
        }
        if node.desk.is_recorded(answer.after) {
            self.tell(from, answer.what, stage)?;
        } else {
            node.waiting.push(Waiting { after: answer.after, to: from, tell: answer.what });
        }
        self.pump(stage)?;
        self.check_sometimes(stage)
    }

    /// Sends an answer, if what it says is in the journal.
    pub(crate) fn tell(&mut self, to: usize, tell: Tell, stage: &mut Stage) -> Checked {
        let is_recorded = match &tell {
            Tell::Decided { decision: Ok(admitted), .. } => self.journal.has_drawn(admitted.hold.slice()),
            Tell::Drawn { drawn: Ok(drawn), .. } => self.journal.has_drawn(drawn.slice),
            Tell::Settled(hold) => self.journal.has_settled(*hold),
            _ => true,
        };
        if !is_recorded {
            return Err(format!("durability: {tell:?} is told, and not in the journal"));
        }
        stage.note(|| format!("pool {} → gateway {to}: {tell:?}", self.number));
        if let Tell::Decided { decision: Ok(admitted), .. } = &tell {
            self.book.tell(admitted.hold);
            self.check_slice(admitted.hold.slice())?;
            self.check_durable(admitted.hold.slice())?;
        }
        stage.send(&Happening::Tell { to, pool: self.number, tell });
        Ok(())
    }

    /// What the desk says is seen, and appended if nothing else is.
    pub(crate) fn pump(&mut self, stage: &mut Stage) -> Checked {
        let Process::Up(node) = &mut self.process else { return Ok(()) };
        if node.appending.is_some() {
            return Ok(());
        }
        let mut events = Vec::new();
        let Some(mark) = node.desk.take_events(&mut events) else { return Ok(()) };
        stage.note(|| format!("pool {} appends {events:?}", self.number));
        node.appending = Some((mark, events.clone()));
        let wait = stage.weather.append_wait(&mut stage.dice);
        stage.after(wait, Happening::Appended { pool: self.number, life: self.life });
        events.iter().try_for_each(|event| self.see(event, stage))
    }

    /// Somebody decides about the pool.
    pub(crate) fn change(&mut self, changes: &[Change], stage: &mut Stage) -> Checked {
        let now = self.clock(stage);
        let Process::Up(node) = &mut self.process else { return Ok(()) };
        node.pass(now, OVERDUE_MS, &mut stage.seen);
        let by = govern::by(node.desk.ledger().at());
        match node.desk.change(&by, changes, None).what {
            Ok(governed) => stage.seen.governed += governed.len(),
            Err(_) => stage.seen.change_refused += 1,
        }
        let ledger = node.desk.ledger();
        invariant_fit(ledger).map_err(text)?;
        self.rates.match_limits(ledger, stage.now());
        self.pump(stage)
    }

    pub(crate) fn is_life(&self, life: u32) -> bool {
        self.life == life
    }

    /// What was appended up to a mark is in the journal: whoever waited for it is told.
    pub(crate) fn recorded(&mut self, mark: Mark, stage: &mut Stage) -> Checked {
        let Process::Up(node) = &mut self.process else { return Ok(()) };
        node.desk.recorded(mark);
        let (due, waiting) = std::mem::take(&mut node.waiting)
            .into_iter()
            .partition(|waiting| node.desk.is_recorded(waiting.after));
        node.waiting = waiting;
        let due: Vec<Waiting> = due;
        due.into_iter().try_for_each(|waiting| self.tell(waiting.to, waiting.tell, stage))
    }
}
