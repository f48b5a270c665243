//! Every role and every method: who may, who may not, and that nobody touches another team's things.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::{Code, Status};
use weir_proto::governance::v1 as wire;
use weir_proto::quota::v1 as quota;

use crate::people::*;
use crate::support::{Service, TOKEN, s};

/// Who is asked to call, in the order of the table's columns. The last one presents nothing.
pub(crate) const CALLERS: [&str; 7] = ["ada", "grace", "wendy", "olga", "gateway-1", "victor", ""];

/// Who may call a method on things of team `web`.
#[rustfmt::skip]
const TABLE: [(&str, [bool; 6]); 30] = [
    //                    admin  approver web    ops    node   viewer
    ("ApplyPolicy",      [true,  false,   false, false, false, false]),
    ("ExportPolicy",     [true,  true,    true,  true,  false, true]),
    ("RequestBurst",     [true,  false,   true,  false, false, false]),
    ("ApproveBurst",     [true,  true,    false, false, false, false]),
    ("DenyBurst",        [true,  true,    false, false, false, false]),
    ("RevokeBurst",      [true,  true,    true,  false, false, false]),
    ("ExtendBurst",      [true,  true,    false, false, false, false]),
    ("ListBursts",       [true,  true,    true,  false, false, true]),
    ("ForgiveDebt",      [true,  false,   false, false, false, false]),
    ("GrantException",   [true,  true,    false, false, false, false]),
    ("EndException",     [true,  true,    false, false, false, false]),
    ("ListExceptions",   [true,  true,    true,  true,  false, true]),
    ("ListDecisions",    [true,  true,    true,  false, false, true]),
    ("ListHolds",        [true,  true,    true,  false, false, true]),
    ("CreateCallerKey",  [true,  false,   true,  false, false, false]),
    ("RevokeCallerKey",  [true,  false,   true,  false, false, false]),
    ("ListCallerKeys",   [true,  true,    true,  true,  false, true]),
    ("RotateCallerKey",  [true,  false,   true,  false, false, false]),
    ("CreateAccessKey",  [true,  false,   false, false, false, false]),
    ("RevokeAccessKey",  [true,  false,   false, false, false, false]),
    ("ListAccessKeys",   [true,  false,   false, false, false, false]),
    ("WhoAmI",           [true,  true,    true,  true,  true,  true]),
    ("WatchDirectory",   [true,  false,   false, false, true,  false]),
    ("Simulate",         [true,  true,    false, false, false, true]),
    ("Reserve",          [true,  false,   false, false, true,  false]),
    ("Settle",           [true,  false,   false, false, true,  false]),
    ("Release",          [true,  false,   false, false, true,  false]),
    ("Extend",           [true,  false,   false, false, true,  false]),
    ("GetHeadroom",      [true,  true,    true,  false, true,  true]),
    ("Session",          [true,  false,   false, false, true,  false]),
];

/// Calls a method on something of team `web`. What it names is there; whether that can be done twice is another matter.
async fn call(method: &str, person: &mut Person) -> Result<(), Status> {
    let to = &mut person.governance;
    match method {
        "ApplyPolicy" => {
            let request = wire::ApplyPolicyRequest { author: String::new(), ..applying(policy()) };
            to.apply_policy(request).await.map(drop)
        }
        "ExportPolicy" => to.export_policy(wire::ExportPolicyRequest {}).await.map(drop),
        "RequestBurst" => to.request_burst(asking(burst("web-burst", (10, 20)))).await.map(drop),
        "ApproveBurst" => to.approve_burst(approving("web-burst")).await.map(drop),
        "DenyBurst" => to.deny_burst(deciding("web-burst")).await.map(drop),
        "RevokeBurst" => to.revoke_burst(deciding("web-burst")).await.map(drop),
        "ExtendBurst" => to.extend_burst(extending("web-burst", 30)).await.map(drop),
        "ListBursts" => {
            let request = wire::ListBurstsRequest { service: "chat".into(), all: true };
            to.list_bursts(request).await.map(drop)
        }
        "ForgiveDebt" => to.forgive_debt(forgiving("chat")).await.map(drop),
        "GrantException" => to.grant_exception(granting(exception("web-more", "chat", 500))).await.map(drop),
        "EndException" => {
            let (reason, id) = ("test".into(), "web-more".into());
            let request = wire::EndExceptionRequest { reason, id, ..Default::default() };
            to.end_exception(request).await.map(drop)
        }
        "ListExceptions" => to.list_exceptions(wire::ListExceptionsRequest {}).await.map(drop),
        "ListDecisions" => {
            let request = wire::ListDecisionsRequest { service: "chat".into(), ..Default::default() };
            to.list_decisions(request).await.map(drop)
        }
        "ListHolds" => {
            let request = wire::ListHoldsRequest { service: "chat".into(), ..Default::default() };
            to.list_holds(request).await.map(drop)
        }
        "WhoAmI" => to.who_am_i(wire::WhoAmIRequest {}).await.map(drop),
        "WatchDirectory" => {
            to.watch_directory(wire::WatchDirectoryRequest { node: "n".into() }).await.map(drop)
        }
        "Simulate" => {
            let request =
                wire::SimulateRequest { policy: Some(policy()), from: Some(s(-60)), to: Some(s(0)) };
            to.simulate(request).await.map(drop)
        }
        other => call_about_keys(other, person).await,
    }
}

async fn call_about_keys(method: &str, person: &mut Person) -> Result<(), Status> {
    let to = &mut person.governance;
    let reason = || "test".to_owned();
    match method {
        "CreateCallerKey" => to.create_caller_key(caller_key("web-key", "chat")).await.map(drop),
        "RevokeCallerKey" => {
            let request =
                wire::RevokeCallerKeyRequest { reason: reason(), id: "web-key".into(), ..Default::default() };
            to.revoke_caller_key(request).await.map(drop)
        }
        "ListCallerKeys" => to.list_caller_keys(wire::ListCallerKeysRequest {}).await.map(drop),
        "RotateCallerKey" => {
            let request = wire::RotateCallerKeyRequest {
                reason: reason(),
                id: "web-key".into(),
                new_id: "web-key-2".into(),
                new_sha256: sha256("web-key-2"),
                old_expires: Some(s(500)),
                ..Default::default()
            };
            to.rotate_caller_key(request).await.map(drop)
        }
        "CreateAccessKey" => {
            let request = access_key("new", wire::Role::Viewer, "");
            to.create_access_key(wire::CreateAccessKeyRequest { author: String::new(), ..request })
                .await
                .map(drop)
        }
        "RevokeAccessKey" => {
            let request =
                wire::RevokeAccessKeyRequest { reason: reason(), id: "new".into(), ..Default::default() };
            to.revoke_access_key(request).await.map(drop)
        }
        "ListAccessKeys" => to.list_access_keys(wire::ListAccessKeysRequest {}).await.map(drop),
        other => admit(other, person).await,
    }
}

async fn admit(method: &str, person: &mut Person) -> Result<(), Status> {
    let (service, pool) = (|| "chat".to_owned(), || "gpt".to_owned());
    let hold_id = || "0".repeat(32);
    let to = &mut person.admission;
    match method {
        "Reserve" => {
            let request =
                quota::ReserveRequest { service: service(), pool: pool(), tokens: 1, ..Default::default() };
            to.reserve(request).await.map(drop)
        }
        "Settle" => {
            let request = quota::SettleRequest {
                hold_id: hold_id(),
                service: service(),
                pool: pool(),
                ..Default::default()
            };
            to.settle(request).await.map(drop)
        }
        "Release" => {
            let request = quota::ReleaseRequest {
                hold_id: hold_id(),
                service: service(),
                pool: pool(),
                ..Default::default()
            };
            to.release(request).await.map(drop)
        }
        "Extend" => {
            let request = quota::ExtendRequest { hold_id: hold_id(), service: service(), pool: pool() };
            to.extend(request).await.map(drop)
        }
        "GetHeadroom" => {
            let request = quota::GetHeadroomRequest { service: service(), ..Default::default() };
            to.get_headroom(request).await.map(drop)
        }
        "Session" => to.session(stream::empty()).await.map(drop),
        other => panic!("nobody calls {other}"),
    }
}

/// An organisation with one thing of each kind of team `web`.
async fn with_things() -> Service {
    let service = organisation().await;
    let mut root = Person::with(&service, TOKEN).await;
    let author = || "root".to_owned();
    let request = wire::RequestBurstRequest { author: author(), ..asking(burst("web-burst", (10, 20))) };
    root.governance.request_burst(request).await.unwrap();
    let request =
        wire::GrantExceptionRequest { author: author(), ..granting(exception("web-more", "chat", 500)) };
    root.governance.grant_exception(request).await.unwrap();
    let request = wire::CreateCallerKeyRequest { author: author(), ..caller_key("web-key", "chat") };
    root.governance.create_caller_key(request).await.unwrap();
    service
}

fn is_turned_away(outcome: &Result<(), Status>, by: Code) -> bool {
    outcome.as_ref().is_err_and(|status| status.code() == by)
}

#[tokio::test]
async fn every_role_may_do_what_it_is_for_and_nothing_else() {
    for (column, name) in CALLERS.into_iter().enumerate() {
        let service = with_things().await;
        let mut person = match name {
            "" => Person::with(&service, "").await,
            name => Person::named(&service, name).await,
        };
        for (method, may) in TABLE {
            let before = service.journal_records().await;
            let outcome = call(method, &mut person).await;
            match may.get(column) {
                Some(true) => {
                    let denied = is_turned_away(&outcome, Code::PermissionDenied);
                    assert!(
                        !denied && !is_turned_away(&outcome, Code::Unauthenticated),
                        "{name} {method} {outcome:?}"
                    );
                }
                Some(false) => {
                    assert!(is_turned_away(&outcome, Code::PermissionDenied), "{name} {method} {outcome:?}");
                    let message = outcome.unwrap_err().message().to_owned();
                    assert!(
                        message.contains("this is for: admin"),
                        "{method} does not say who may: {message}"
                    );
                    assert_eq!(service.journal_records().await, before, "{name} {method}");
                }
                None => {
                    assert!(is_turned_away(&outcome, Code::Unauthenticated), "{method} {outcome:?}");
                    assert_eq!(service.journal_records().await, before, "{method}");
                }
            }
        }
        service.stop().await;
    }
}

#[test]
fn every_method_is_in_the_table() {
    let set = FileDescriptorSet::decode(weir_proto::FILE_DESCRIPTOR_SET).unwrap();
    let ours = set.file.iter().filter(|file| file.package().starts_with("weir."));
    let methods = ours.flat_map(|file| &file.service).flat_map(|service| &service.method);
    let methods: BTreeSet<_> = methods.map(|method| method.name().to_owned()).collect();
    assert_eq!(methods, TABLE.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[tokio::test]
async fn a_lead_sees_what_concerns_the_team_and_no_more() {
    let service = with_things().await;
    let mut olga = Person::named(&service, "olga").await;
    let all = wire::ListBurstsRequest { service: String::new(), all: true };
    assert_eq!(olga.governance.list_bursts(all.clone()).await.unwrap().into_inner().bursts, []);
    let exceptions = olga.governance.list_exceptions(wire::ListExceptionsRequest {}).await.unwrap();
    assert_eq!(exceptions.into_inner().exceptions, []);
    assert_eq!(
        olga.governance.list_caller_keys(wire::ListCallerKeysRequest {}).await.unwrap().into_inner().keys,
        []
    );
    let shown = olga.governance.export_policy(wire::ExportPolicyRequest {}).await.unwrap().into_inner();
    let shown = shown.policy.unwrap();
    assert_eq!(shown.teams, [team("ops")]);
    assert_eq!(shown.services.len(), 1);
    assert_eq!(shown.services[0].id, "batch");
    assert_eq!(shown.pools.len(), 2);
    assert_eq!((shown.bursts.len(), shown.exceptions.len()), (0, 0));

    let mut wendy = Person::named(&service, "wendy").await;
    assert_eq!(wendy.governance.list_bursts(all).await.unwrap().into_inner().bursts.len(), 1);
    let exceptions = wendy.governance.list_exceptions(wire::ListExceptionsRequest {}).await.unwrap();
    assert_eq!(exceptions.into_inner().exceptions.len(), 1);
    let keys =
        wendy.governance.list_caller_keys(wire::ListCallerKeysRequest {}).await.unwrap().into_inner().keys;
    assert_eq!(keys.len(), 1);
    let shown = wendy.governance.export_policy(wire::ExportPolicyRequest {}).await.unwrap().into_inner();
    let shown = shown.policy.unwrap();
    assert_eq!(shown.pools.iter().map(|pool| pool.id.as_str()).collect::<Vec<_>>(), ["gpt"]);
    assert_eq!(shown.prices.iter().map(|price| price.model.as_str()).collect::<Vec<_>>(), ["gpt-4o"]);
    assert_eq!(shown.exceptions.len(), 1);
    service.stop().await;
}

#[tokio::test]
async fn a_lead_is_denied_what_is_anothers_and_told_what_is_not_there() {
    let service = with_things().await;
    let mut olga = Person::named(&service, "olga").await;
    let mut about = async |id: &str, chat: &str| {
        let key = olga.governance.create_caller_key(caller_key(id, chat)).await.unwrap_err().code();
        let headroom = quota::GetHeadroomRequest { service: chat.into(), ..Default::default() };
        (key, olga.admission.get_headroom(headroom).await.unwrap_err().code())
    };
    assert_eq!(about("k1", "chat").await, (Code::PermissionDenied, Code::PermissionDenied));
    assert_eq!(about("k2", "unheard").await, (Code::InvalidArgument, Code::NotFound));
    service.stop().await;
}

/// How a stream ends, whatever it says before.
async fn end_of<T>(stream: &mut tonic::Streaming<T>) -> Code {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Code::Ok,
            Err(status) => return status.code(),
        }
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_opens_nothing_and_ends_what_it_had_opened() {
    let service = organisation().await;
    let mut gateway = Person::named(&service, "gateway-1").await;
    let watch = wire::WatchDirectoryRequest { node: "gateway-1".into() };
    let mut directories = gateway.governance.watch_directory(watch).await.unwrap().into_inner();
    assert!(directories.message().await.unwrap().is_some());
    let open = quota::SessionOpen { node: "gateway-1".into(), ..Default::default() };
    let open = quota::SessionRequest { request: Some(quota::session_request::Request::Open(open)) };
    let asked = stream::iter([open]).chain(stream::pending());
    let mut answers = gateway.admission.session(asked).await.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());

    let mut ada = Person::named(&service, "ada").await;
    let revoke =
        wire::RevokeAccessKeyRequest { reason: "lost".into(), id: "gateway-1".into(), ..Default::default() };
    assert!(ada.governance.revoke_access_key(revoke).await.unwrap().into_inner().revoked);
    assert_eq!(end_of(&mut directories).await, Code::Unauthenticated);
    assert_eq!(end_of(&mut answers).await, Code::Unauthenticated);
    assert_eq!(gateway.who().await.unwrap_err().code(), Code::Unauthenticated);
    service.stop().await;
}

#[tokio::test]
async fn decisions_are_taken_in_ones_own_name() {
    let service = organisation().await;
    let mut wendy = Person::named(&service, "wendy").await;
    let asked = wendy.governance.request_burst(asking(burst("one", (10, 20)))).await.unwrap().into_inner();
    assert_eq!(asked.burst.unwrap().burst.unwrap().requester, "wendy");
    let posing = wire::RequestBurstRequest { author: "grace".into(), ..asking(burst("two", (10, 20))) };
    assert_eq!(wendy.governance.request_burst(posing).await.unwrap_err().code(), Code::PermissionDenied);

    let mut ada = Person::named(&service, "ada").await;
    let acting = wire::ApproveBurstRequest { author: "grace".into(), ..approving("one") };
    let approved = ada.governance.approve_burst(acting).await.unwrap().into_inner().burst.unwrap();
    assert_eq!(approved.burst.unwrap().approved_by, "grace (by ada)");

    let mut root = Person::with(&service, TOKEN).await;
    let acting = wire::DecideBurstRequest { author: "grace".into(), ..deciding("one") };
    let revoked = root.governance.revoke_burst(acting).await.unwrap().into_inner().burst.unwrap();
    assert_eq!((revoked.decided_by.as_str(), revoked.decision_reason.as_str()), ("grace", "not now"));
    service.stop().await;
}

#[tokio::test]
async fn everybody_may_ask_who_they_are() {
    let service = organisation().await;
    for (name, role, team) in PEOPLE {
        let who = Person::named(&service, name).await.who().await.unwrap();
        assert_eq!((who.name.as_str(), who.role(), who.team.as_str()), (name, role, team));
    }
    let who = Person::with(&service, TOKEN).await.who().await.unwrap();
    assert_eq!((who.name.as_str(), who.role()), ("admin", wire::Role::Admin));
    service.stop().await;
}

fn forgiving(service: &str) -> wire::ForgiveDebtRequest {
    wire::ForgiveDebtRequest {
        reason: "test".into(),
        pool: "gpt".into(),
        service: service.into(),
        ..Default::default()
    }
}
