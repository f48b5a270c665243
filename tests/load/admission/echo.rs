//! The floors that have admission's own messages: decoded, and answered with nothing decided.
//!
//! A reservation's answer has the size of a real one. In a session of the node [`BARE`] a batch is answered by its number
//! alone, in any other one by an answer of the size of a real one.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};
use weir_proto::codec::duration_to_wire;
use weir_proto::quota::v1 as wire;
use weir_proto::quota::v1::admission_service_server::AdmissionService;
use weir_proto::quota::v1::reserve_response::Decision;
use weir_proto::quota::v1::session_request::Request as Asked;
use weir_proto::quota::v1::session_response::Response as Said;

/// The node whose batches are answered by their number alone.
pub(crate) const BARE: &str = "bare";

/// Answers without deciding.
#[derive(Clone)]
pub(crate) struct Echo;

type Answers = Pin<Box<dyn Stream<Item = Result<wire::SessionResponse, Status>> + Send>>;

#[tonic::async_trait]
impl AdmissionService for Echo {
    type SessionStream = Answers;

    async fn reserve(
        &self,
        request: Request<wire::ReserveRequest>,
    ) -> Result<Response<wire::ReserveResponse>, Status> {
        let wire::ReserveRequest { reservation_id, tokens, .. } = request.into_inner();
        let decision = Decision::Admitted(wire::Admitted { hold_id: reservation_id, tokens, shadowed: 0 });
        let standing = wire::Standing {
            rate_per_minute: 1_000_000_000_000,
            available: 166_666_666_666,
            depth: 166_666_666_666,
            full_after: Some(duration_to_wire(Duration::from_millis(1_234))),
            borrowable: 0,
        };
        Ok(Response::new(wire::ReserveResponse { decision: Some(decision), standing: Some(standing) }))
    }

    async fn session(
        &self,
        request: Request<Streaming<wire::SessionRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let mut bare = false;
        let answers = request.into_inner().map(move |asked| {
            let response = match asked?.request {
                Some(Asked::Open(open)) => {
                    bare = open.node == BARE;
                    Said::Opened(wire::SessionOpened::default())
                }
                Some(Asked::Batch(batch)) => {
                    Said::Answers(if bare { numbered(&batch) } else { echoed(batch) })
                }
                None => return Err(Status::invalid_argument("neither open nor batch")),
            };
            Ok(wire::SessionResponse { response: Some(response) })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn settle(
        &self,
        _: Request<wire::SettleRequest>,
    ) -> Result<Response<wire::SettleResponse>, Status> {
        Err(no_part())
    }

    async fn release(
        &self,
        _: Request<wire::ReleaseRequest>,
    ) -> Result<Response<wire::ReleaseResponse>, Status> {
        Err(no_part())
    }

    async fn extend(
        &self,
        _: Request<wire::ExtendRequest>,
    ) -> Result<Response<wire::ExtendResponse>, Status> {
        Err(no_part())
    }

    async fn get_headroom(
        &self,
        _: Request<wire::GetHeadroomRequest>,
    ) -> Result<Response<wire::GetHeadroomResponse>, Status> {
        Err(no_part())
    }
}

fn no_part() -> Status {
    Status::unimplemented("no part of the floor")
}

fn numbered(asked: &wire::SessionBatch) -> wire::SessionAnswers {
    wire::SessionAnswers { batch: asked.batch, ..Default::default() }
}

fn echoed(asked: wire::SessionBatch) -> wire::SessionAnswers {
    let decision = |item: wire::SessionReserve| wire::SessionDecision {
        hold_id: item.reservation_id,
        ..Default::default()
    };
    wire::SessionAnswers {
        batch: asked.batch,
        settle: vec![true; asked.settle.len()],
        reserve: asked.reserve.into_iter().map(decision).collect(),
        ..Default::default()
    }
}
