//! What passes the gate, and what it carries then.

use std::net::Ipv4Addr;

use arc_swap::ArcSwap;
use weir_domain::org::Org;
use weir_runtime::clock::SystemClock;

use super::*;
use crate::auth::Given;
use crate::auth::settings::Auth;

const RESERVE: &str = "/weir.quota.v1.AdmissionService/Reserve";

fn gate() -> Gate {
    let (org, clock) = (Arc::new(ArcSwap::from_pointee(Org::default())), Arc::new(SystemClock));
    let given = Given { auth: &Auth::default(), tls: None, admin: Some(&"s3cret".into()) };
    let authenticator = Authenticator::open(given, org, clock).unwrap();
    Gate::new(Arc::new(authenticator))
}

fn call(path: &str, headers: &[(&'static str, &str)]) -> Request<()> {
    let request =
        headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
    request.uri(path).body(()).unwrap()
}

/// Somebody on this machine.
fn visitor() -> Visitor {
    Visitor::new(Some(Ipv4Addr::LOCALHOST.into()), None)
}

/// What became of a call: the status, and who and which trace it carries behind the gate.
fn passed(gate: &Gate, mut call: Request<()>) -> Result<(Option<Caller>, Option<TraceContext>), Code> {
    passed_by(&visitor(), gate, &mut call)
}

fn passed_by(
    visitor: &Visitor,
    gate: &Gate,
    call: &mut Request<()>,
) -> Result<(Option<Caller>, Option<TraceContext>), Code> {
    gate.admit(call, visitor).map_err(|status| status.code())?;
    Ok((call.extensions().get().cloned(), call.extensions().get().copied()))
}

#[test]
fn whoever_passes_is_known_behind_the_gate() {
    let gate = gate();
    for bearer in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "] {
        let (caller, _) = passed(&gate, call(RESERVE, &[("authorization", bearer)])).unwrap();
        assert_eq!(caller.unwrap().principal().name, "admin", "{bearer:?}");
    }
    for wrong in ["s3cret", "Bearer s3cre", "Basic s3cret", "Bearer", ""] {
        let outcome = passed(&gate, call(RESERVE, &[("authorization", wrong)]));
        assert_eq!(outcome.unwrap_err(), Code::Unauthenticated, "{wrong:?}");
    }
}

#[test]
fn health_asks_nobody_who_they_are() {
    let (caller, _) = passed(&gate(), call("/grpc.health.v1.Health/Check", &[])).unwrap();
    assert_eq!(caller, None);
}

#[test]
fn what_nobody_thought_about_may_be_called_by_nobody() {
    let admin = [("authorization", "Bearer s3cret")];
    for path in ["/weir.quota.v1.AdmissionService/Unheard", "/", "/weir.quota.v1.AdmissionService/reserve"] {
        assert_eq!(passed(&gate(), call(path, &admin)).unwrap_err(), Code::Unimplemented, "{path}");
    }
}

#[test]
fn the_callers_trace_is_noted() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("authorization", "Bearer s3cret"), (TRACEPARENT, parent)];
    let (_, trace) = passed(&gate(), call(RESERVE, &headers)).unwrap();
    assert_eq!(trace.unwrap().to_string(), parent);
}

#[test]
fn a_connection_that_was_known_by_one_token_is_not_known_by_another() {
    let (gate, visitor) = (gate(), visitor());
    let shows = |bearer: &str| {
        let outcome = passed_by(&visitor, &gate, &mut call(RESERVE, &[("authorization", bearer)]));
        outcome.map(|(caller, _)| caller.unwrap().principal().name.clone())
    };
    for _ in 0..2 {
        assert_eq!(shows("Bearer s3cret"), Ok("admin".to_owned()));
        assert_eq!(shows("Bearer s3cres"), Err(Code::Unauthenticated));
        assert_eq!(shows("Bearer s3cret2"), Err(Code::Unauthenticated));
    }
    let nothing = passed_by(&visitor, &gate, &mut call(RESERVE, &[]));
    assert_eq!(nothing.unwrap_err(), Code::Unauthenticated);
}
