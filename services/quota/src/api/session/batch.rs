//! Deciding a batch: one step at the desk of each pool that it concerns.

use bytes::{BufMut, Bytes, BytesMut};
use tonic::Status;
use weir_domain::desk::{Admitted, Answer, Mark, NodeSlice};
use weir_domain::ids::NodeId;
use weir_proto::codec::timestamp_to_wire;
use weir_proto::quota::v1 as wire;

use super::super::refusal::{refused_to_wire, shadowed_to_wire};
use super::Session;
use super::answers::Pending;
use super::check::{Ask, Batch, Check};
use crate::pool::{Clerk, Decided, Due};

const ID_BYTES: usize = 16;

impl Session {
    /// Decides a batch. Its answers wait until all that they rest on is recorded. No pool is asked where one of them cannot be
    /// asked; if one is lost in between, or cannot record what it has said, what others have decided stands.
    pub(super) fn decide(&mut self, asked: &wire::SessionBatch) -> Result<Pending, Status> {
        self.accounts.add(&asked.accounts, &self.admission.pools)?;
        let batch = Check { accounts: &self.accounts, admission: &self.admission }.batch(asked)?;
        let node = self.node.as_ref().expect("a session is open before it reads batches");
        let pools = batch.pools();
        let admits = |pool: &usize| self.accounts.pools[*pool].handle.admits(batch.len());
        if let Err(reason) = pools.iter().try_for_each(admits) {
            return Ok(Pending::undecided(asked.batch, &reason));
        }
        let mut due = Due::begin(Answers::of(&batch));
        for pool in pools {
            let step = |clerk: &mut Clerk, answers: &mut Answers| answers.decide(clerk, node, pool, &batch);
            let handle = &self.accounts.pools[pool].handle;
            if let Err(reason) = handle.step_on(&mut due, batch.len(), step) {
                return Ok(Pending::undecided(asked.batch, &reason));
            }
        }
        Ok(Pending::Batch(asked.batch, due.map(|answers| answers.into_wire(asked.batch))))
    }
}

/// The answers to a batch while it is decided. What callers read is written when the desk is free again.
struct Answers {
    /// None until the item's pool was asked.
    reserve: Vec<Option<Decided<Admitted>>>,
    settle: Vec<bool>,
    release: Vec<bool>,
    extend: Vec<bool>,
    draw: Vec<Option<Decided<NodeSlice>>>,
}

impl Answers {
    fn of(batch: &Batch) -> Self {
        Self {
            reserve: batch.reserve.iter().map(|_| None).collect(),
            settle: vec![false; batch.settle.len()],
            release: vec![false; batch.release.len()],
            extend: vec![false; batch.extend.len()],
            draw: batch.draw.iter().map(|_| None).collect(),
        }
    }

    /// One step at a pool's desk: what is given back first, so that it can be handed out again.
    fn decide(&mut self, clerk: &mut Clerk, node: &NodeId, pool: usize, batch: &Batch) -> Answer<()> {
        let mut after = Mark::default();
        for (item, charged) in batch.settle.iter().zip(&mut self.settle).filter(|(item, _)| item.pool == pool)
        {
            *charged = noted(clerk.settle(&item.what), &mut after);
        }
        let of_pool = batch.release.iter().zip(&mut self.release).filter(|(item, _)| item.pool == pool);
        for (item, released) in of_pool {
            let (release, service) = &item.what;
            *released = noted(clerk.release(release, service), &mut after);
        }
        for item in batch.returns.iter().filter(|item| item.pool == pool) {
            noted(clerk.return_slice(node, &item.what), &mut after);
        }
        for (item, alive) in batch.extend.iter().zip(&mut self.extend).filter(|(item, _)| item.pool == pool) {
            let (hold, service) = &item.what;
            *alive = noted(clerk.extend(*hold, service), &mut after);
        }
        let of_pool = batch.reserve.iter().zip(&mut self.reserve).filter(|(item, _)| item.pool == pool);
        let asker = clerk.asker(node.as_str());
        for (item, decision) in of_pool {
            *decision = Some(noted(clerk.reserve(&item.what, asker), &mut after));
        }
        for (item, drawn) in batch.draw.iter().zip(&mut self.draw).filter(|(item, _)| item.pool == pool) {
            *drawn = Some(draw(clerk, node, &item.what, &mut after));
        }
        Answer { what: (), after }
    }

    fn into_wire(self, batch: u64) -> wire::SessionAnswers {
        let Self { reserve, settle, release, extend, draw } = self;
        wire::SessionAnswers {
            batch,
            reserve: decisions_to_wire(reserve),
            settle,
            extend,
            draw: draw.into_iter().map(|drawn| drawn_to_wire(drawn.expect(ASKED))).collect(),
            undecided: String::new(),
            release,
        }
    }
}

/// Why every item of a batch has an answer.
const ASKED: &str = "every pool that an item names was asked";

/// The ids of all holds share one allocation.
fn decisions_to_wire(decisions: Vec<Option<Decided<Admitted>>>) -> Vec<wire::SessionDecision> {
    let mut ids = BytesMut::with_capacity(ID_BYTES * decisions.len());
    let to_wire = |decision: Option<Decided<Admitted>>| match decision.expect(ASKED) {
        Ok(admitted) => {
            ids.put_u128(admitted.hold.as_u128());
            wire::SessionDecision {
                hold_id: ids.split().freeze(),
                refused: None,
                shadowed: shadowed_to_wire(admitted.shadowed),
            }
        }
        Err(refused) => wire::SessionDecision {
            hold_id: Bytes::new(),
            refused: Some(refused_to_wire(&refused)),
            shadowed: wire::Limit::Unspecified.into(),
        },
    };
    decisions.into_iter().map(to_wire).collect()
}

fn draw(clerk: &mut Clerk, node: &NodeId, ask: &Ask, after: &mut Mark) -> Decided<NodeSlice> {
    if let Some(seal) = &ask.instead_of {
        noted(clerk.return_slice(node, seal), after);
    }
    noted(clerk.draw(node, &ask.what, ask.ahead), after)
}

fn drawn_to_wire(drawn: Decided<NodeSlice>) -> wire::SessionDrawn {
    match drawn {
        Ok(NodeSlice { slice, quantity, shadowed, hand_out_until }) => wire::SessionDrawn {
            slice: slice.as_u64(),
            tokens: quantity.tokens.get(),
            refused: None,
            shadowed: shadowed_to_wire(shadowed),
            hand_out_until: Some(timestamp_to_wire(hand_out_until)),
        },
        Err(refused) => wire::SessionDrawn { refused: Some(refused_to_wire(&refused)), ..Default::default() },
    }
}

/// An answer, with what it rests on noted.
fn noted<T>(answer: Answer<T>, after: &mut Mark) -> T {
    *after = answer.after.max(*after);
    answer.what
}
