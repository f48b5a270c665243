//! One call as all operations see it, and the answers they have in common.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode};
use weir_domain::time::Timestamp;

use crate::body::{self, AnswerBody, Fragment, Gzip};
use crate::delivery::Delivery;
use crate::emulator::{Deployed, Emulator};
use crate::error::{ApiError, Dialect};
use crate::faults::{self, Injected};
use crate::headers::{self, Head, MediaType};
use crate::ledger::{Entry, Operation, State};
use crate::limits::Remaining;
use crate::random::Draws;
use crate::serving::Serving;
use crate::wire::Envelope;

/// One call to a deployment.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) deployed: Arc<Deployed>,
    pub(crate) dialect: Dialect,
    pub(crate) headers: HeaderMap,
    pub(crate) request_id: String,
    pub(crate) started: Timestamp,
}

/// Whether a call may pass.
#[derive(Debug)]
pub(crate) enum Admission {
    Admitted(Serving, Remaining),
    Refused(Response<AnswerBody>),
}

pub(crate) const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");
pub(crate) const MS_CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
/// Names a request for whoever reads the ledger, for instance by the service it is of.
pub(crate) const LABEL: HeaderName = HeaderName::from_static("x-emulator-label");

impl Call {
    /// Enters the call in the ledger.
    pub(crate) fn begin(&self, operation: Operation, streamed: bool) -> Serving {
        let text = |name: &HeaderName| {
            self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let entry = Entry {
            sequence: 0,
            state: State::InFlight,
            ending: None,
            client_request_id: text(&CLIENT_REQUEST_ID),
            ms_client_request_id: text(&MS_CLIENT_REQUEST_ID),
            label: text(&LABEL),
            upstream_request_id: self.request_id.clone(),
            deployment: self.deployed.config.name.clone(),
            model: self.deployed.config.model().to_owned(),
            operation,
            streamed,
            status: StatusCode::OK.as_u16(),
            prompt_tokens: 0,
            cached_tokens: 0,
            completion_tokens: 0,
            reasoning_tokens: 0,
            usage_reported: false,
            received_all: false,
            started_ms: self.started.as_millis(),
            ended_ms: None,
        };
        Serving::begin(Arc::clone(&self.emulator), Arc::clone(&self.deployed), entry)
    }

    /// What goes wrong with the call, and the randomness for all the rest of it.
    pub(crate) fn faults(&self) -> Result<(Injected, Draws), ApiError> {
        let mut draws = self.emulator.draws();
        let injected = faults::decide(&self.headers, &self.deployed.config.faults, &mut draws)
            .map_err(|unknown| ApiError::invalid(&unknown.to_string(), None, None))?;
        Ok((injected, draws))
    }

    /// Lets the call pass, or answers for it: with the error that was asked for, or because the deployment is full.
    pub(crate) fn admit(&self, serving: Serving, injected: &Injected, estimate: u64) -> Admission {
        if let Some(status) = injected.status {
            return Admission::Refused(self.refused(serving, ApiError::fault(self.dialect, status)));
        }
        let admitted = self.deployed.limiter().admit(estimate, self.started);
        match admitted {
            Ok(remaining) => Admission::Admitted(serving, remaining),
            Err(full) => {
                let error = ApiError::full(self.dialect, &self.deployed.config.name, full);
                Admission::Refused(self.refused(serving, error))
            }
        }
    }

    /// An error that the ledger knows of.
    fn refused(&self, mut serving: Serving, error: ApiError) -> Response<AnswerBody> {
        serving.refuse(error.status);
        let mut headers = self.head(MediaType::Json, None);
        headers::add_retry(&mut headers, error.retry_after);
        let body = body::whole(error.body, Some((serving, Arc::clone(&self.delivery))));
        response(error.status, headers, body)
    }

    /// The headers of an answer.
    pub(crate) fn head(&self, media_type: MediaType, remaining: Option<Remaining>) -> HeaderMap {
        let elapsed = self.emulator.now().since(self.started);
        Head { call: self, media_type, remaining, elapsed }.headers()
    }

    /// What every part of the answer repeats.
    pub(crate) fn envelope(&self, id: String) -> Envelope {
        let config = &self.deployed.config;
        let model = config.snapshot.as_deref().unwrap_or(config.model());
        let model_json = serde_json::Value::from(model).to_string();
        Envelope { dialect: self.dialect, id, created: self.started.as_secs(), model_json }
    }

    /// A whole answer, complete when it has been written.
    pub(crate) fn whole(&self, serving: Serving, answer: Whole) -> Response<AnswerBody> {
        let mut headers = self.head(MediaType::Json, Some(answer.remaining));
        let mut bytes = Bytes::from(answer.text);
        if answer.gzip {
            headers::add_gzip(&mut headers);
            bytes = Gzip::new().frame(&bytes, true);
        }
        let body = body::whole(bytes, Some((serving, Arc::clone(&self.delivery))));
        response(StatusCode::OK, headers, body)
    }

    /// The beginning of an answer, after which the connection ends.
    pub(crate) fn fragment(&self, serving: Serving, answer: Whole, text_tokens: u64) -> Response<AnswerBody> {
        let headers = self.head(MediaType::Json, Some(answer.remaining));
        let bytes = Some(Bytes::from(answer.text));
        let fragment = Fragment { bytes, serving, delivery: Arc::clone(&self.delivery), text_tokens };
        response(StatusCode::OK, headers, fragment.body())
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) text: String,
    pub(crate) gzip: bool,
    pub(crate) remaining: Remaining,
}

/// Puts an answer together.
pub(crate) fn response(status: StatusCode, headers: HeaderMap, body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
