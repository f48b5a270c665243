//! Appends, crashes, and the gateway with its slice.

use std::rc::Rc;

use weir_domain::amount::Tokens;
use weir_domain::desk::{Desk, NodeSlice, Reserve};
use weir_domain::ids::HoldId;
use weir_domain::ledger::{Event, Ledger, Seal};

use crate::key::fingerprint;
use crate::state::{CALLERS, Call, Local, NODE, SERVICE, State, quantity};
use crate::step::Step;

impl State {
    /// What the desk has said is being appended. It brings back the ledger, even if all of it comes twice.
    pub(crate) fn begin_append(&mut self) -> Result<(), String> {
        let mut events = Vec::new();
        let mark = self.desk.take_events(&mut events).expect("it was asked whether there are events");
        let mut rebuilt = Ledger::clone(&self.begun);
        for event in self.journal.iter().chain(&events) {
            rebuilt.evolve(event);
            rebuilt.evolve(event);
        }
        rebuilt.advance(self.desk.ledger().at());
        self.in_flight = Some((mark, Rc::new(events)));
        self.fingerprints.1 = fingerprint(self.desk.ledger());
        let same = rebuilt == *self.desk.ledger();
        if same { Ok(()) } else { Err("replay: the events do not bring back the ledger".into()) }
    }

    pub(crate) fn end_append(&mut self) -> Result<(), String> {
        let (mark, events) = self.in_flight.take().expect("it was asked whether there is an append");
        self.record(&events);
        self.desk.recorded(mark);
        for charged in &mut self.charged {
            charged.after = charged.after.filter(|after| *after > mark);
        }
        for call in &mut self.calls {
            match call {
                Call::Asked { waiting: Some((hold, after)), .. } if *after <= mark => {
                    *call = Call::Held(*hold);
                }
                Call::Ended { after, acknowledged, .. } if after.is_some_and(|after| after <= mark) => {
                    (*after, *acknowledged) = (None, true);
                }
                _ => {}
            }
        }
        if let Local::Asked { slice, tokens, after } = self.local
            && after <= mark
        {
            self.local = Local::Held { slice, free: tokens, rest: Tokens::ZERO, holds: 0 };
        }
        self.check_acknowledged()
    }

    fn record(&mut self, events: &[Event]) {
        Rc::make_mut(&mut self.journal).extend_from_slice(events);
        self.fingerprints.0 = self.fingerprints.1;
    }

    /// The node is gone, with every answer that waited. Another begins with the journal.
    pub(crate) fn crash(&mut self, kept: bool) -> Result<(), String> {
        let in_journal = self.in_flight.take().filter(|_| kept).map(|(mark, events)| {
            self.record(&events);
            mark
        });
        self.charged.retain_mut(|charged| {
            let is_there = charged.after.is_none_or(|after| in_journal.is_some_and(|mark| after <= mark));
            charged.after = None;
            is_there
        });
        for call in &mut self.calls {
            match call {
                Call::Asked { waiting, .. } => *waiting = None,
                Call::Ended { after, .. } => *after = None,
                Call::Idle | Call::Held(_) => {}
            }
        }
        if matches!(self.local, Local::Asked { .. }) {
            self.local = Local::None;
        }
        let mut ledger = Ledger::clone(&self.begun);
        self.journal.iter().for_each(|event| ledger.evolve(event));
        let snapshot = Ledger::from_image(ledger.image());
        let same = snapshot == ledger;
        self.desk = Desk::new(snapshot, self.now);
        self.crashes += 1;
        self.demand = (Tokens::ZERO, Tokens::ZERO);
        if !same {
            return Err("replay: a snapshot brings another ledger".into());
        }
        self.check_none_open(false)
    }

    pub(crate) fn gateway_can(&self, step: Step) -> bool {
        match (step, self.local) {
            (Step::Draw, Local::None)
            | (Step::Return, Local::Held { .. })
            | (Step::ReturnAgain, Local::Returned(_)) => true,
            (Step::HandOut, Local::Held { free, .. }) => free > Tokens::ZERO && self.served().is_some(),
            _ => false,
        }
    }

    /// A place for a call that the gateway serves.
    fn served(&self) -> Option<usize> {
        (CALLERS..self.calls.len()).find(|caller| self.calls[*caller].is_over())
    }

    pub(crate) fn gateway_does(&mut self, step: Step) -> Result<(), String> {
        match (step, self.local) {
            (Step::Draw, _) => self.draw(),
            (Step::HandOut, Local::Held { slice, holds, .. }) => {
                let caller = self.served().expect("it was asked whether there is a place");
                self.archive(caller);
                let one = Tokens::new(1);
                let hold = HoldId::try_pack(slice, holds, one).expect("it is small");
                if let Local::Held { free, holds, .. } = &mut self.local {
                    *free = free.saturating_sub(one);
                    *holds += 1;
                }
                self.calls[caller] = Call::Held(hold);
                Ok(())
            }
            (Step::Return, Local::Held { .. }) => {
                (CALLERS..self.calls.len())
                    .filter(|caller| self.calls[*caller].is_over())
                    .collect::<Vec<_>>()
                    .into_iter()
                    .for_each(|caller| self.archive(caller));
                let Local::Held { slice, free, rest, holds } = self.local else { unreachable!("it is held") };
                let seal = Seal { slice, free: quantity(free + rest), holds };
                self.local = Local::Returned(seal);
                self.desk.return_slice(&NODE, &seal);
                Ok(())
            }
            (Step::ReturnAgain, Local::Returned(seal)) => {
                self.desk.return_slice(&NODE, &seal);
                Ok(())
            }
            other => unreachable!("{other:?} cannot happen"),
        }
    }

    fn draw(&mut self) -> Result<(), String> {
        let (one, two) = (quantity(Tokens::new(1)), quantity(Tokens::new(2)));
        let ask = Reserve { reservation: self.mint(), service: SERVICE.clone(), need: one };
        let answer = self.desk.draw(&NODE, &ask, two);
        let Ok(NodeSlice { slice, quantity: drawn, .. }) = answer.what else { return Ok(()) };
        if !drawn.covers(one) {
            return Err(format!("conservation: one was needed, {drawn:?} is drawn"));
        }
        self.local = Local::Asked { slice, tokens: drawn.tokens, after: answer.after };
        Ok(())
    }

    /// What an acknowledged settle left goes back with the slice, and is not handed out before.
    pub(crate) fn rest_of(&mut self, hold: HoldId, used: Tokens) {
        if let Local::Held { slice, rest, .. } = &mut self.local
            && *slice == hold.slice()
        {
            *rest += hold.tokens().saturating_sub(used);
        }
    }
}
