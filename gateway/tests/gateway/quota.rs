//! A quota service that does as it is told and remembers what it was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status};
use weir_domain::directory::Directory;
use weir_domain::ids::CALL_TOKENS_MAX;
use weir_proto::codec::duration_to_wire;
use weir_proto::governance::v1::governance_service_server::GovernanceServiceServer;
use weir_proto::quota::v1 as quota;
use weir_proto::quota::v1::admission_service_server::{AdmissionService, AdmissionServiceServer};
use weir_proto::quota::v1::refused::Retry;
use weir_proto::quota::v1::reserve_response::Decision;

/// What a reservation is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Admit,
    /// Refused by a limit, and when it would pass, or why nobody says so.
    Refuse(quota::Limit, Result<Duration, quota::NoRetry>),
    /// No decision.
    Fail,
    /// No decision, because whoever asks is not known.
    Unknown,
    /// No answer at all.
    Hang,
}

#[derive(Clone)]
pub(crate) struct FakeQuota(Arc<State>);

struct State {
    answers: Mutex<VecDeque<Answer>>,
    /// How many settles are answered with an error from here on, and with which.
    settles_to_fail: Mutex<(u32, Code)>,
    failed_settles: Mutex<u32>,
    reserves: Mutex<Vec<(quota::ReserveRequest, Option<String>)>>,
    settles: watch::Sender<Vec<quota::SettleRequest>>,
    releases: watch::Sender<Vec<quota::ReleaseRequest>>,
    extends: watch::Sender<Vec<quota::ExtendRequest>>,
    /// What every call is answered instead, as if the service were gone.
    away: Mutex<Option<Code>>,
    holds: AtomicU64,
    directory: watch::Sender<Directory>,
    token: Option<String>,
}

/// A standing with numbers that are easy to find again.
pub(crate) fn standing() -> quota::Standing {
    quota::Standing {
        rate_per_minute: 60_000,
        available: 41_000,
        depth: 50_000,
        full_after: Some(duration_to_wire(Duration::from_millis(90_500))),
        borrowable: 0,
    }
}

impl FakeQuota {
    pub(crate) async fn start(directory: Directory, token: Option<&str>) -> (Self, SocketAddr) {
        let state = State {
            answers: Mutex::default(),
            settles_to_fail: Mutex::new((0, Code::Unavailable)),
            failed_settles: Mutex::default(),
            reserves: Mutex::default(),
            settles: watch::Sender::default(),
            releases: watch::Sender::default(),
            extends: watch::Sender::default(),
            away: Mutex::default(),
            holds: AtomicU64::new(0),
            directory: watch::Sender::new(directory),
            token: token.map(|token| format!("Bearer {token}")),
        };
        let fake = Self(Arc::new(state));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(AdmissionServiceServer::new(fake.clone()))
            .add_service(GovernanceServiceServer::new(fake.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        crate::spawn(async move { server.await.unwrap() });
        (fake, address)
    }

    /// The next reservations are answered so, one after the other; all others are admitted.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.0.answers.lock().unwrap().extend(answers);
    }

    pub(crate) fn fail_settles(&self, count: u32) {
        self.fail_settles_with(count, Code::Unavailable);
    }

    pub(crate) fn fail_settles_with(&self, count: u32, code: Code) {
        *self.0.settles_to_fail.lock().unwrap() = (count, code);
    }

    /// How many settles were answered with an error.
    pub(crate) fn failed_settles(&self) -> u32 {
        *self.0.failed_settles.lock().unwrap()
    }

    pub(crate) fn reserves(&self) -> Vec<(quota::ReserveRequest, Option<String>)> {
        self.0.reserves.lock().unwrap().clone()
    }

    /// All settles that were acknowledged, once there are so many.
    pub(crate) async fn settles(&self, count: usize) -> Vec<quota::SettleRequest> {
        let mut settles = self.0.settles.subscribe();
        let settles = crate::in_time(settles.wait_for(|settles| settles.len() >= count)).await.unwrap();
        settles.clone()
    }

    pub(crate) async fn releases(&self, count: usize) -> Vec<quota::ReleaseRequest> {
        let mut releases = self.0.releases.subscribe();
        let releases = crate::in_time(releases.wait_for(|releases| releases.len() >= count)).await.unwrap();
        releases.clone()
    }

    /// All extensions, once they are as somebody wants them.
    pub(crate) async fn extends(
        &self,
        wanted: impl FnMut(&Vec<quota::ExtendRequest>) -> bool,
    ) -> Vec<quota::ExtendRequest> {
        let mut extends = self.0.extends.subscribe();
        let extends = crate::in_time(extends.wait_for(wanted)).await.unwrap();
        extends.clone()
    }

    /// From now on no call gets an answer, or all do again. A stream that is open stays so.
    pub(crate) fn go_away(&self, is_away: bool) {
        self.answer_all_with(is_away.then_some(Code::Unavailable));
    }

    /// From now on every call is answered so, if it is answered anything of the kind.
    pub(crate) fn answer_all_with(&self, code: Option<Code>) {
        *self.0.away.lock().unwrap() = code;
    }

    pub(crate) fn settles_now(&self) -> usize {
        self.0.settles.borrow().len()
    }

    /// The directory now and after every change.
    pub(crate) fn directories(&self) -> watch::Receiver<Directory> {
        self.0.directory.subscribe()
    }

    fn check(&self, metadata: &tonic::metadata::MetadataMap) -> Result<(), Status> {
        let Some(token) = &self.0.token else { return Ok(()) };
        let presented = metadata.get("authorization").and_then(|value| value.to_str().ok());
        if presented == Some(token) { Ok(()) } else { Err(Status::unauthenticated("who are you")) }
    }

    pub(crate) fn check_present(&self, metadata: &tonic::metadata::MetadataMap) -> Result<(), Status> {
        match *self.0.away.lock().unwrap() {
            Some(code) => Err(Status::new(code, "a test sent it away")),
            None => self.check(metadata),
        }
    }

    /// As the real one's: nothing that anybody else could guess, and not the reservation's.
    fn hold(&self) -> String {
        format!("{:032x}", (0xfeed_u128 << 64) + u128::from(self.0.holds.fetch_add(1, Ordering::SeqCst)))
    }
}

#[tonic::async_trait]
impl AdmissionService for FakeQuota {
    async fn reserve(
        &self,
        request: Request<quota::ReserveRequest>,
    ) -> Result<Response<quota::ReserveResponse>, Status> {
        self.check_present(request.metadata())?;
        let trace = request.metadata().get("traceparent").map(|value| value.to_str().unwrap().to_owned());
        let call = request.into_inner();
        self.0.reserves.lock().unwrap().push((call.clone(), trace));
        let answer = self.0.answers.lock().unwrap().pop_front().unwrap_or(Answer::Admit);
        if call.tokens > CALL_TOKENS_MAX.get() {
            return Err(Status::invalid_argument("tokens: is more than one call can use"));
        }
        let decision = match answer {
            Answer::Admit => Decision::Admitted(quota::Admitted {
                hold_id: self.hold(),
                tokens: call.tokens,
                shadowed: quota::Limit::Unspecified.into(),
            }),
            Answer::Refuse(limit, retry) => Decision::Refused(quota::Refused {
                limit: limit.into(),
                message: "60000 tokens a minute are used".to_owned(),
                retry: Some(match retry {
                    Ok(after) => Retry::RetryAfter(duration_to_wire(after)),
                    Err(why) => Retry::NoRetry(why.into()),
                }),
                r#use: Some(quota::LimitUse { used: 900, limit: 1_000, asked: 250, ..Default::default() }),
                ..Default::default()
            }),
            Answer::Unknown => return Err(Status::unauthenticated("a test asked for it")),
            Answer::Fail => return Err(Status::unavailable("a test asked for it")),
            Answer::Hang => std::future::pending().await,
        };
        Ok(Response::new(quota::ReserveResponse { decision: Some(decision), standing: Some(standing()) }))
    }

    async fn settle(
        &self,
        request: Request<quota::SettleRequest>,
    ) -> Result<Response<quota::SettleResponse>, Status> {
        self.check_present(request.metadata())?;
        let code = {
            let (left, code) = &mut *self.0.settles_to_fail.lock().unwrap();
            let fails = *left > 0;
            *left = left.saturating_sub(1);
            fails.then_some(*code)
        };
        if let Some(code) = code {
            *self.0.failed_settles.lock().unwrap() += 1;
            return Err(Status::new(code, "a test asked for it"));
        }
        self.0.settles.send_modify(|settles| settles.push(request.into_inner()));
        Ok(Response::new(quota::SettleResponse { charged: true }))
    }

    async fn extend(
        &self,
        request: Request<quota::ExtendRequest>,
    ) -> Result<Response<quota::ExtendResponse>, Status> {
        self.check_present(request.metadata())?;
        self.0.extends.send_modify(|extends| extends.push(request.into_inner()));
        Ok(Response::new(quota::ExtendResponse { alive: true }))
    }

    async fn release(
        &self,
        request: Request<quota::ReleaseRequest>,
    ) -> Result<Response<quota::ReleaseResponse>, Status> {
        self.check_present(request.metadata())?;
        self.0.releases.send_modify(|releases| releases.push(request.into_inner()));
        Ok(Response::new(quota::ReleaseResponse { released: true }))
    }

    async fn get_headroom(
        &self,
        _: Request<quota::GetHeadroomRequest>,
    ) -> Result<Response<quota::GetHeadroomResponse>, Status> {
        Err(Status::unimplemented("not in these tests"))
    }

    type SessionStream = tokio_stream::Empty<Result<quota::SessionResponse, Status>>;

    async fn session(
        &self,
        _: Request<tonic::Streaming<quota::SessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        Err(Status::unimplemented("not in these tests"))
    }
}
