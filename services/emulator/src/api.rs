//! Addresses: both URL families, and the ledger's own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::body::{self, AnswerBody};
use crate::call::{Call, response};
use crate::config::Kind;
use crate::delivery::Delivery;
use crate::emulator::{Deployed, Emulator};
use crate::error::{ApiError, Dialect};
use crate::headers::{self, MediaType};
use crate::{chat, embeddings, request};

/// How long a reader of the ledger may wait for requests in flight.
const IDLE_WAIT_MAX: Duration = Duration::from_secs(30);

/// What an address asks for.
#[derive(Debug, PartialEq, Eq)]
enum Route<'a> {
    /// An operation of a deployment that the path names, or else the body.
    Serve {
        kind: Kind,
        deployment: Option<&'a str>,
    },
    Models,
    Model(&'a str),
    Ledger,
    ClearLedger,
    Totals,
}

/// Answers one request.
pub(crate) async fn handle(
    emulator: Arc<Emulator>,
    delivery: Arc<Delivery>,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let dialect = if request.uri().path().starts_with("/openai/") { Dialect::Azure } else { Dialect::OpenAi };
    let id = Uuid::new_v4();
    let request_id = match dialect {
        Dialect::OpenAi => format!("req_{}", id.simple()),
        Dialect::Azure => id.to_string(),
    };
    let context = Context { emulator, delivery, dialect, request_id: request_id.clone() };
    context.answer(request).await.unwrap_or_else(|error| {
        let headers = headers::plain(MediaType::Json, &request_id);
        response(error.status, headers, body::whole(error.body, None))
    })
}

/// What is known of a request before it is read.
struct Context {
    emulator: Arc<Emulator>,
    delivery: Arc<Delivery>,
    dialect: Dialect,
    request_id: String,
}

impl Context {
    async fn answer(self, request: Request<Incoming>) -> Result<Response<AnswerBody>, ApiError> {
        let (parts, body) = request.into_parts();
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        let route = route(&parts.method, path, query)
            .ok_or_else(|| ApiError::unknown_path(self.dialect, &parts.method, path))?;
        match route {
            Route::Ledger => return Ok(self.ledger(query).await),
            Route::ClearLedger => return Ok(self.clear_ledger()),
            Route::Totals => return Ok(self.json(&self.emulator.ledger.totals())),
            Route::Serve { .. } | Route::Models | Route::Model(_) => {}
        }
        if !self.emulator.lets_in(&parts.headers) {
            return Err(ApiError::unauthorized(self.dialect));
        }
        let (kind, deployment) = match route {
            Route::Serve { kind, deployment } => (kind, deployment),
            Route::Model(name) => return self.model(name),
            _ => return Ok(self.models()),
        };
        let started = self.emulator.now();
        let bytes = read(body, self.emulator.config.body_bytes_max).await?;
        let body = request::object(&bytes)?;
        let deployed = self.deployed(deployment, &body)?;
        if deployed.config.kind != kind {
            return Err(ApiError::wrong_kind(self.dialect, &deployed.config.name, kind));
        }
        let Self { emulator, delivery, dialect, request_id } = self;
        let call =
            Call { emulator, delivery, deployed, dialect, headers: parts.headers, request_id, started };
        match kind {
            Kind::Chat => chat::answer(call, body).await,
            Kind::Embeddings => embeddings::answer(call, body).await,
        }
    }

    /// The deployment that the path names; a model in the body does not matter then, as on Azure.
    fn deployed(&self, deployment: Option<&str>, body: &Value) -> Result<Arc<Deployed>, ApiError> {
        let name = match (deployment, &body["model"]) {
            (Some(name), _) => name,
            (None, Value::String(name)) => name,
            (None, _) => {
                let message = "you must provide a model parameter";
                return Err(ApiError::invalid(message, Some("model"), Some("missing_required_parameter")));
            }
        };
        let found = self.emulator.deployed(name).map(Arc::clone);
        found.ok_or_else(|| ApiError::unknown_model(self.dialect, name))
    }

    async fn ledger(&self, query: &str) -> Response<AnswerBody> {
        let parameters = || query.split('&').filter_map(|pair| pair.split_once('='));
        let after = parameters().find(|(name, _)| *name == "after");
        let after = after.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        if parameters().any(|pair| pair == ("idle", "true")) {
            // Whoever waited in vain sees which entries are still in flight.
            let _ = tokio::time::timeout(IDLE_WAIT_MAX, self.emulator.ledger.idle()).await;
        }
        self.json(&self.emulator.ledger.entries_after(after))
    }

    fn clear_ledger(&self) -> Response<AnswerBody> {
        self.emulator.ledger.clear();
        let headers = headers::plain(MediaType::Json, &self.request_id);
        response(StatusCode::NO_CONTENT, headers, body::whole(Bytes::new(), None))
    }

    fn models(&self) -> Response<AnswerBody> {
        let models: Vec<_> = self.emulator.deployments().iter().map(|deployed| model(deployed)).collect();
        self.json(&json!({"object": "list", "data": models}))
    }

    fn model(&self, name: &str) -> Result<Response<AnswerBody>, ApiError> {
        let deployed = self.emulator.deployed(name);
        let deployed = deployed.ok_or_else(|| ApiError::unknown_model(self.dialect, name))?;
        Ok(self.json(&model(deployed)))
    }

    fn json(&self, value: &impl Serialize) -> Response<AnswerBody> {
        let text = serde_json::to_string(value).expect("plain data with text keys");
        let headers = headers::plain(MediaType::Json, &self.request_id);
        response(StatusCode::OK, headers, body::whole(text, None))
    }
}

/// When the models were made, for lists: 2024-01-01.
const MODELS_CREATED: u64 = 1_704_067_200;

fn model(deployed: &Deployed) -> Value {
    json!({
        "id": deployed.config.name,
        "object": "model",
        "created": MODELS_CREATED,
        "owned_by": "weir-emulator",
    })
}

fn route<'a>(method: &Method, path: &'a str, query: &str) -> Option<Route<'a>> {
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let versioned = query.split('&').any(|pair| pair.starts_with("api-version="));
    let (deployment, rest) = match segments.as_slice() {
        ["openai", "deployments", name, rest @ ..] if versioned => (Some(*name), rest),
        ["openai", "v1", rest @ ..] | ["v1", rest @ ..] => (None, rest),
        ["emulator", "v1", rest @ ..] => return own_route(method, rest),
        _ => return None,
    };
    let serve = |kind| Some(Route::Serve { kind, deployment });
    match (method, rest) {
        (&Method::POST, ["chat", "completions"]) => serve(Kind::Chat),
        (&Method::POST, ["embeddings"]) => serve(Kind::Embeddings),
        (&Method::GET, ["models"]) if deployment.is_none() => Some(Route::Models),
        (&Method::GET, ["models", name]) if deployment.is_none() => Some(Route::Model(name)),
        _ => None,
    }
}

fn own_route<'a>(method: &Method, rest: &[&'a str]) -> Option<Route<'a>> {
    match (method, rest) {
        (&Method::GET, ["ledger"]) => Some(Route::Ledger),
        (&Method::DELETE, ["ledger"]) => Some(Route::ClearLedger),
        (&Method::GET, ["totals"]) => Some(Route::Totals),
        _ => None,
    }
}

async fn read(body: Incoming, bytes_max: usize) -> Result<Bytes, ApiError> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large(bytes_max)),
        Err(_) => Err(ApiError::invalid("The body of your request did not arrive whole.", None, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_url_families_lead_to_the_same_operations() {
        let chat = |deployment| Some(Route::Serve { kind: Kind::Chat, deployment });
        let post = |path, query| route(&Method::POST, path, query);
        assert_eq!(post("/v1/chat/completions", ""), chat(None));
        assert_eq!(post("/openai/v1/chat/completions", "api-version=preview"), chat(None));
        assert_eq!(post("/openai/deployments/d/chat/completions", "a=b&api-version=1"), chat(Some("d")));
        assert_eq!(post("/openai/deployments/d/chat/completions", ""), None, "Azure wants a version there");
        assert_eq!(route(&Method::GET, "/v1/chat/completions", ""), None);
        assert_eq!(route(&Method::GET, "/openai/v1/models", ""), Some(Route::Models));
        assert_eq!(route(&Method::DELETE, "/emulator/v1/ledger", ""), Some(Route::ClearLedger));
    }
}
