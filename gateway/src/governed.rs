//! The way of a governed request: who calls, where to, how much, may it pass, then the call itself.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Response};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tracing::Instrument;
use weir_domain::ids::RequestId;
use weir_domain::time::Timestamp;
use weir_runtime::trace::TraceContext;

use crate::attempt::Place;
use crate::auth::authenticate;
use crate::body::Body;
use crate::call::Call;
use crate::directory::{Caller, Index};
use crate::errors::{Problem, json_response};
use crate::estimate::estimate;
use crate::gateway::{Gateway, Governance};
use crate::hold::{Wanted, hold};
use crate::intake::collect;
use crate::meter::Expected;
use crate::metrics;
use crate::request::RequestBody;
use crate::route::{Endpoint, Route, Target, route};

/// Who asks, and the trace it belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    pub(crate) request: RequestId,
    pub(crate) trace: TraceContext,
    pub(crate) peer: IpAddr,
}

/// A request that is ready to be admitted.
struct Asked {
    context: Context,
    caller: Caller,
    route: Route,
    target: Target,
    headers: HeaderMap,
    body: RequestBody,
    expected: Expected,
    place: Place,
    /// When its last byte was there.
    arrived: Timestamp,
}

/// Answers a request.
pub(crate) async fn answer(
    gateway: &Arc<Gateway>,
    governance: &Governance,
    context: Context,
    endpoint: Endpoint,
    request: http::Request<Incoming>,
) -> Result<Response<Body>, Problem> {
    let index = governance.directory.load_full().ok_or_else(Problem::quota_unavailable)?;
    let (parts, body) = request.into_parts();
    let now = gateway.clock.now();
    let caller = authenticate(&parts.headers, &index, context.peer, &governance.guard, now)?;
    match endpoint {
        Endpoint::Models => Ok(Body::own(json_response(&models(&index, &caller)))),
        Endpoint::Model(name) => model(&index, &caller, &name),
        Endpoint::Inference(target) => {
            // Before the body: as many bodies are held as attempts can be unfinished, and no more.
            let place = governance
                .metering
                .place()
                .ok_or_else(|| Problem::metering_unavailable("too many attempts wait to be recorded"))?;
            let bytes = collect(&parts.headers, body, &gateway.config).await?;
            let arrived = gateway.clock.now();
            let mut body = RequestBody::read(bytes, target.operation)?;
            let route = route(&index, &caller, &target, body.model.as_deref(), &gateway.upstreams)?;
            let expected = estimate(&mut body, target.operation, &route.model).await;
            let headers = parts.headers;
            let asked = Asked { context, caller, route, target, headers, body, expected, place, arrived };
            admit_apart(gateway, asked).await
        }
    }
}

/// Goes on in a task of its own, which a caller that leaves does not end: what was begun must be metered.
async fn admit_apart(gateway: &Arc<Gateway>, asked: Asked) -> Result<Response<Body>, Problem> {
    let (answer, answered) = oneshot::channel();
    let task_gateway = Arc::clone(gateway);
    let task = async move {
        let mut answer = answer;
        let result = admit(&task_gateway, asked, &mut answer).await;
        // If the caller left, the answer is dropped here, and its body drains itself.
        let _ = answer.send(result);
    };
    gateway.tasks.spawn(task.in_current_span());
    answered.await.unwrap_or_else(|_| Err(Problem::internal()))
}

async fn admit(
    gateway: &Arc<Gateway>,
    asked: Asked,
    answer: &mut oneshot::Sender<Result<Response<Body>, Problem>>,
) -> Result<Response<Body>, Problem> {
    let governance = gateway.governance.as_ref().ok_or_else(Problem::internal)?;
    let attempt = weir_runtime::ids::attempt_id();
    let (service, expected, trace) = (&asked.caller.service, asked.expected, asked.context.trace);
    let wanted = Wanted { attempt, service, route: &asked.route, expected, trace };
    let held = hold(gateway, governance, &wanted).await?;
    if answer.is_closed() {
        held.give_back(gateway, governance, service, &asked.route);
        return Err(Problem::internal());
    }
    metrics::added_latency(gateway.clock.now().since(asked.arrived));
    let Asked { context, caller, route, target, headers, body, expected, place, .. } = asked;
    Call {
        gateway: Arc::clone(gateway),
        context,
        attempt,
        caller,
        route,
        target,
        headers,
        body,
        expected,
        held,
        place,
    }
    .make()
    .await
}

fn models(index: &Index, caller: &Caller) -> serde_json::Value {
    let data: Vec<_> =
        index.models_of(caller).iter().map(|served| model_object(served.model.name.as_str())).collect();
    serde_json::json!({"object": "list", "data": data})
}

fn model(index: &Index, caller: &Caller, name: &str) -> Result<Response<Body>, Problem> {
    let served = index.model(name).filter(|served| caller.may_use(served));
    served.ok_or_else(|| Problem::unknown_model(name))?;
    Ok(Body::own(json_response(&model_object(name))))
}

/// OpenAI's model object. When a model was made, and by whom, is not for us to say.
fn model_object(name: &str) -> serde_json::Value {
    serde_json::json!({"id": name, "object": "model", "created": 0, "owned_by": "weir"})
}
