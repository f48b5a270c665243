//! What passes the gate, and what it carries then.

use std::convert::Infallible;

use arc_swap::ArcSwap;
use tower::ServiceExt;
use weir_domain::org::Org;
use weir_runtime::clock::SystemClock;

use super::*;
use crate::auth::settings::Auth;

const RESERVE: &str = "/weir.quota.v1.AdmissionService/Reserve";

fn gate() -> Gate {
    let (org, clock) = (Arc::new(ArcSwap::from_pointee(Org::default())), Arc::new(SystemClock));
    let authenticator =
        Authenticator::open((&Auth::default(), None), Some(&"s3cret".into()), org, clock).unwrap();
    Gate::new(Arc::new(authenticator))
}

fn call(path: &str, headers: &[(&'static str, &str)]) -> Request<()> {
    let request =
        headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
    request.uri(path).body(()).unwrap()
}

/// What became of a call: the status, and who and which trace arrived behind the gate.
async fn passed(gate: &Gate, request: Request<()>) -> Result<(Option<Caller>, Option<TraceContext>), Code> {
    let behind = tower::service_fn(|request: Request<()>| async move {
        let mut response = Response::new(Body::empty());
        *response.extensions_mut() = request.extensions().clone();
        Ok::<_, Infallible>(response)
    });
    let response = gate.layer(behind).oneshot(request).await.unwrap();
    if let Some(status) = Status::from_header_map(response.headers()) {
        return Err(status.code());
    }
    Ok((response.extensions().get().cloned(), response.extensions().get().copied()))
}

#[tokio::test]
async fn whoever_passes_is_known_behind_the_gate() {
    let gate = gate();
    for bearer in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "] {
        let (caller, _) = passed(&gate, call(RESERVE, &[("authorization", bearer)])).await.unwrap();
        assert_eq!(caller.unwrap().principal().name, "admin", "{bearer:?}");
    }
    for wrong in ["s3cret", "Bearer s3cre", "Basic s3cret", "Bearer", ""] {
        let outcome = passed(&gate, call(RESERVE, &[("authorization", wrong)])).await;
        assert_eq!(outcome.unwrap_err(), Code::Unauthenticated, "{wrong:?}");
    }
}

#[tokio::test]
async fn health_asks_nobody_who_they_are() {
    let (caller, _) = passed(&gate(), call("/grpc.health.v1.Health/Check", &[])).await.unwrap();
    assert_eq!(caller, None);
}

#[tokio::test]
async fn what_nobody_thought_about_may_be_called_by_nobody() {
    let admin = [("authorization", "Bearer s3cret")];
    for path in ["/weir.quota.v1.AdmissionService/Unheard", "/", "/weir.quota.v1.AdmissionService/reserve"] {
        assert_eq!(passed(&gate(), call(path, &admin)).await.unwrap_err(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn the_callers_trace_is_noted() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("authorization", "Bearer s3cret"), (TRACEPARENT, parent)];
    let (_, trace) = passed(&gate(), call(RESERVE, &headers)).await.unwrap();
    assert_eq!(trace.unwrap().to_string(), parent);
}
