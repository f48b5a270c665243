//! Deciding a batch: one step at the desk of each pool that it concerns.

use bytes::{BufMut, Bytes, BytesMut};
use tonic::Status;
use weir_domain::desk::{Answer, Decision, Mark};
use weir_domain::ids::NodeId;
use weir_proto::quota::v1 as wire;

use super::super::refusal::refused_to_wire;
use super::Session;
use super::answers::Pending;
use super::check::{Ask, Batch, Check};
use crate::pool::{Clerk, Due};

const ID_BYTES: usize = 16;

impl Session {
    /// Decides a batch. Its answers wait until all that they rest on is recorded.
    pub(super) fn decide(&mut self, asked: &wire::SessionBatch) -> Result<Pending, Status> {
        self.accounts.add(&asked.accounts, &self.admission.pools)?;
        let batch = Check { accounts: &self.accounts, admission: &self.admission }.batch(asked)?;
        let node = self.node.as_ref().expect("a session is open before it reads batches");
        let mut due = Due::begin(Answers::of(&batch));
        for pool in batch.pools() {
            let step = |clerk: &mut Clerk, answers: &mut Answers| answers.decide(clerk, node, pool, &batch);
            let handle = &self.accounts.pools[pool].handle;
            if let Err(reason) = handle.step_on(&mut due, batch.len(), step) {
                return Ok(Pending::undecided(asked.batch, &reason));
            }
        }
        Ok(Pending::Batch(asked.batch, due.map(|answers| answers.into_wire(asked.batch))))
    }
}

/// The answers to a batch while it is decided.
struct Answers {
    reserve: Vec<wire::SessionDecision>,
    settle: Vec<bool>,
    extend: Vec<bool>,
    draw: Vec<wire::SessionDrawn>,
    /// The ids of all holds, one after another, and which reservations they answer.
    holds: BytesMut,
    admitted: Vec<usize>,
}

impl Answers {
    fn of(batch: &Batch) -> Self {
        Self {
            reserve: vec![wire::SessionDecision::default(); batch.reserve.len()],
            settle: vec![false; batch.settle.len()],
            extend: vec![false; batch.extend.len()],
            draw: vec![wire::SessionDrawn::default(); batch.draw.len()],
            holds: BytesMut::with_capacity(ID_BYTES * batch.reserve.len()),
            admitted: Vec::with_capacity(batch.reserve.len()),
        }
    }

    /// One step at a pool's desk: what is given back first, so that it can be handed out again.
    fn decide(&mut self, clerk: &mut Clerk, node: &NodeId, pool: usize, batch: &Batch) -> Answer<()> {
        let mut after = Mark::default();
        for (item, charged) in batch.settle.iter().zip(&mut self.settle).filter(|(item, _)| item.pool == pool)
        {
            *charged = noted(clerk.settle(&item.what), &mut after);
        }
        for item in batch.give_back.iter().filter(|item| item.pool == pool) {
            noted(clerk.take_back(node, &item.what), &mut after);
        }
        for (item, alive) in batch.extend.iter().zip(&mut self.extend).filter(|(item, _)| item.pool == pool) {
            let (hold, service) = &item.what;
            *alive = noted(clerk.extend(*hold, service), &mut after);
        }
        for (index, item) in batch.reserve.iter().enumerate().filter(|(_, item)| item.pool == pool) {
            self.reserved(index, &noted(clerk.reserve(&item.what), &mut after));
        }
        for (item, drawn) in batch.draw.iter().zip(&mut self.draw).filter(|(item, _)| item.pool == pool) {
            *drawn = draw(clerk, node, &item.what, &mut after);
        }
        Answer { what: (), after }
    }

    fn reserved(&mut self, index: usize, decision: &Decision) {
        match decision {
            Ok(admitted) => {
                self.holds.put_u128(admitted.hold.as_u128());
                self.admitted.push(index);
            }
            Err(refusal) => self.reserve[index].refused = Some(refused_to_wire(refusal)),
        }
    }

    /// All ids share one allocation.
    fn into_wire(mut self, batch: u64) -> wire::SessionAnswers {
        let mut holds: Bytes = self.holds.freeze();
        for index in self.admitted {
            self.reserve[index].hold_id = holds.split_to(ID_BYTES);
        }
        let Self { reserve, settle, extend, draw, .. } = self;
        wire::SessionAnswers { batch, reserve, settle, extend, draw, undecided: String::new() }
    }
}

fn draw(clerk: &mut Clerk, node: &NodeId, ask: &Ask, after: &mut Mark) -> wire::SessionDrawn {
    if let Some(seal) = &ask.instead_of {
        noted(clerk.take_back(node, seal), after);
    }
    match noted(clerk.draw(node, &ask.service, ask.need, ask.ahead), after) {
        Ok((slice, drawn)) => {
            wire::SessionDrawn { slice: slice.as_u64(), tokens: drawn.tokens.get(), refused: None }
        }
        Err(refusal) => wire::SessionDrawn { refused: Some(refused_to_wire(&refusal)), ..Default::default() },
    }
}

/// An answer, with what it rests on noted.
fn noted<T>(answer: Answer<T>, after: &mut Mark) -> T {
    *after = answer.after.max(*after);
    answer.what
}
