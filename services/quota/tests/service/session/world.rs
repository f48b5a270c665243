//! One session of a test, and the words to talk in it. Account 0 is `chat` in `gpt`.

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};
use weir_domain::ids::ReservationId;
use weir_proto::quota::v1 as quota;
use weir_proto::quota::v1::session_request::Request as Asked;
use weir_proto::quota::v1::session_response::Response as Said;

use crate::support::Service;

pub(super) struct Session {
    asks: mpsc::Sender<quota::SessionRequest>,
    said: Streaming<quota::SessionResponse>,
}

pub(super) fn account(number: u32, service: &str, pool: &str) -> quota::Account {
    quota::Account { number, service: service.into(), pool: pool.into() }
}

pub(super) fn reserve_in(service: &Service, number: u128, tokens: u64) -> quota::SessionReserve {
    let reservation_id = bytes_of(service.reservation_id(number));
    quota::SessionReserve { reservation_id, tokens, ..Default::default() }
}

pub(super) fn release_in(service: &Service, number: u128) -> quota::SessionRelease {
    quota::SessionRelease { account: 0, reservation_id: bytes_of(service.reservation_id(number)) }
}

/// An id as sessions have it.
pub(super) fn bytes_of(reservation: ReservationId) -> Bytes {
    reservation.as_u128().to_be_bytes().to_vec().into()
}

pub(super) fn settle_in(hold: &Bytes, used: u64) -> quota::SessionSettle {
    quota::SessionSettle { hold_id: hold.clone(), used, ..Default::default() }
}

pub(super) fn extend_in(hold: &Bytes) -> quota::Outstanding {
    quota::Outstanding { account: 0, hold_id: hold.clone() }
}

pub(super) fn outstanding(holds: &[Bytes]) -> Vec<quota::Outstanding> {
    holds.iter().map(extend_in).collect()
}

/// The hold of a reservation that must have passed.
pub(super) fn admitted_in(decision: &quota::SessionDecision) -> Bytes {
    assert_eq!(decision.refused, None);
    assert_eq!(decision.hold_id.len(), 16);
    decision.hold_id.clone()
}

impl Session {
    pub(super) async fn open(
        service: &Service,
        outstanding: Vec<quota::Outstanding>,
    ) -> (Self, quota::SessionOpened) {
        Self::open_as(service, "gateway-1", outstanding).await
    }

    pub(super) async fn open_as(
        service: &Service,
        node: &str,
        outstanding: Vec<quota::Outstanding>,
    ) -> (Self, quota::SessionOpened) {
        let mut session = Self::begin(service).await;
        let accounts = vec![account(0, "chat", "gpt")];
        session.ask(Asked::Open(quota::SessionOpen { node: node.into(), accounts, outstanding })).await;
        match session.next().await {
            Some(Said::Opened(opened)) => (session, opened),
            other => panic!("{other:?}"),
        }
    }

    async fn begin(service: &Service) -> Self {
        let (asks, asked) = mpsc::channel::<quota::SessionRequest>(64);
        let asked = stream::unfold(asked, |mut asked| async { asked.recv().await.map(|ask| (ask, asked)) });
        let said = service.admission().await.session(asked).await.unwrap().into_inner();
        Self { asks, said }
    }

    /// What a session that goes wrong is told in the end.
    pub(super) async fn refused(service: &Service, asked: Vec<Asked>) -> Status {
        let mut session = Self::begin(service).await;
        for ask in asked {
            session.ask(ask).await;
        }
        loop {
            match session.said.message().await {
                Ok(Some(said)) => assert!(matches!(said.response, Some(Said::Opened(_))), "{said:?}"),
                Ok(None) => panic!("it ended as if all were well"),
                Err(status) => return status,
            }
        }
    }

    async fn ask(&self, request: Asked) {
        self.asks.send(quota::SessionRequest { request: Some(request) }).await.unwrap();
    }

    pub(super) async fn send(&self, batch: quota::SessionBatch) {
        self.ask(Asked::Batch(batch)).await;
    }

    pub(super) async fn next(&mut self) -> Option<Said> {
        self.said.message().await.ok().flatten().map(|said| said.response.unwrap())
    }

    pub(super) async fn answers(&mut self) -> quota::SessionAnswers {
        match self.next().await {
            Some(Said::Answers(answers)) => answers,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn limits(&mut self) -> quota::SessionLimits {
        match self.next().await {
            Some(Said::Limits(limits)) => limits,
            other => panic!("{other:?}"),
        }
    }

    /// Reserves what must pass, in a batch of its own. The hold.
    pub(super) async fn admit(&mut self, service: &Service, number: u128, tokens: u64) -> Bytes {
        let reserve = vec![reserve_in(service, number, tokens)];
        self.send(quota::SessionBatch { batch: 1_000, reserve, ..Default::default() }).await;
        admitted_in(&self.answers().await.reserve[0])
    }

    /// Ends it. What the other side says at the end, if it is not a plain one.
    pub(super) async fn end(self) -> Option<Code> {
        let Self { asks, said } = self;
        drop(asks);
        last_of(said).await
    }

    /// Waits until the other side has ended it. What it says at the end, if it is not a plain one.
    pub(super) async fn ended(self) -> Option<Code> {
        let Self { asks, said } = self;
        let last = last_of(said).await;
        drop(asks);
        last
    }
}

async fn last_of(mut said: Streaming<quota::SessionResponse>) -> Option<Code> {
    loop {
        match said.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(status) => return Some(status.code()),
        }
    }
}
