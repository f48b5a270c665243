//! Who decided what, when and why, over the wire: to everybody what they may see, the newest first, in pages.

use tonic::{Code, Status};
use tonic_types::StatusExt;
use weir_proto::governance::v1 as wire;

use crate::people::*;
use crate::support::{Service, s};

fn all() -> wire::ListDecisionsRequest {
    wire::ListDecisionsRequest::default()
}

async fn asked(
    person: &mut Person,
    request: wire::ListDecisionsRequest,
) -> Result<wire::ListDecisionsResponse, Status> {
    person.governance.list_decisions(request).await.map(tonic::Response::into_inner)
}

/// Author and what, of all that somebody is told.
async fn told(person: &mut Person, request: wire::ListDecisionsRequest) -> Vec<(String, String)> {
    let decisions = asked(person, request).await.unwrap().decisions;
    decisions.into_iter().map(|decision| (decision.author, decision.what)).collect()
}

/// A burst of `chat` asked for in the 60th second and approved in the 70th, and a key of `batch` made in the 80th.
async fn after_some_decisions() -> Service {
    let service = organisation().await;
    service.advance(60);
    let mut wendy = Person::named(&service, "wendy").await;
    wendy.governance.request_burst(asking(burst("launch", (100, 200)))).await.unwrap();
    service.advance(10);
    let mut grace = Person::named(&service, "grace").await;
    grace.governance.approve_burst(approving("launch")).await.unwrap();
    service.advance(10);
    let mut olga = Person::named(&service, "olga").await;
    olga.governance.create_caller_key(caller_key("night", "batch")).await.unwrap();
    service
}

const ASKED: &str = "burst launch: requested";
const APPROVED: &str = "burst launch: approved as guaranteed";
const KEY: &str = "caller key night: created for batch";

#[tokio::test]
async fn whoever_sees_everything_is_told_every_decision_the_newest_first_with_who_when_and_why() {
    let service = after_some_decisions().await;
    for name in ["ada", "grace", "victor"] {
        let mut person = Person::named(&service, name).await;
        let decisions = asked(&mut person, all()).await.unwrap();
        assert_eq!((decisions.forgotten_until, decisions.next_page_token.as_str()), (None, ""));
        let [key, approved, asked, ..] = &decisions.decisions[..] else { panic!("{decisions:?}") };
        assert_eq!((key.author.as_str(), key.what.as_str(), key.at), ("olga", KEY, Some(s(80))));
        assert_eq!((key.service.as_str(), key.pool.as_str()), ("batch", ""));
        assert_eq!((approved.author.as_str(), approved.reason.as_str()), ("grace", "agreed"));
        assert_eq!((approved.what.as_str(), approved.at), (APPROVED, Some(s(70))));
        assert_eq!((approved.service.as_str(), approved.pool.as_str()), ("chat", "gpt"));
        assert!(asked.author == "wendy" && asked.what.starts_with(ASKED), "{asked:?}");
        let whats: Vec<_> = decisions.decisions.iter().map(|it| it.what.as_str()).collect();
        for known in ["pool gpt: new", "team web: new", "price of model gpt-4o"] {
            assert!(whats.iter().any(|what| what.starts_with(known)), "{known} of {whats:#?}");
        }
        let access = whats.iter().any(|what| what.starts_with("access key ada: created"));
        assert_eq!(access, name == "ada", "access keys are the business of admins, as their list is");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_lead_is_told_of_their_team_alone_and_a_node_nothing() {
    let service = after_some_decisions().await;
    let mut olga = Person::named(&service, "olga").await;
    let seen = told(&mut olga, all()).await;
    assert_eq!(seen[0], ("olga".to_owned(), KEY.to_owned()));
    let begins = ["caller key night", "service batch", "team ops"];
    for (_, what) in &seen {
        assert!(begins.iter().any(|begin| what.starts_with(begin)), "{what} is not about team ops");
    }
    for begin in begins {
        assert!(seen.iter().any(|(_, what)| what.starts_with(begin)), "{begin} of {seen:#?}");
    }
    for others in [
        wire::ListDecisionsRequest { service: "chat".into(), ..all() },
        wire::ListDecisionsRequest { team: "web".into(), ..all() },
    ] {
        let refused = asked(&mut olga, others).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    }
    for name in ["gateway-1", ""] {
        let mut nobody = Person::named(&service, name).await;
        let refused = asked(&mut nobody, all()).await.unwrap_err();
        assert!([Code::PermissionDenied, Code::Unauthenticated].contains(&refused.code()), "{refused}");
    }
    service.stop().await;
}

#[tokio::test]
async fn what_was_decided_of_a_service_stays_with_the_team_whose_it_was_then() {
    let service = after_some_decisions().await;
    let mut ada = Person::named(&service, "ada").await;
    service.advance(10);
    let mut moved = policy();
    moved.services[1].team = "ops".into();
    ada.governance.apply_policy(applying(moved)).await.unwrap();
    service.advance(10);
    ada.governance.create_caller_key(caller_key("day", "chat")).await.unwrap();
    let since = |team: &str| wire::ListDecisionsRequest { team: team.into(), from: Some(s(60)), ..all() };
    let of_web = [APPROVED, ASKED];
    let of_ops = ["caller key day: created for chat", "service chat: ", KEY];
    for (name, team, expected) in [
        ("wendy", "", &of_web[..]),
        ("victor", "web", &of_web),
        ("olga", "", &of_ops),
        ("victor", "ops", &of_ops),
    ] {
        let seen = told(&mut Person::named(&service, name).await, since(team)).await;
        let as_expected = seen.iter().zip(expected).all(|((_, what), begin)| what.starts_with(begin));
        assert!(as_expected && seen.len() == expected.len(), "{name}: {seen:#?}");
    }
    service.stop().await;
}

#[tokio::test]
async fn decisions_are_told_by_team_service_pool_author_and_time() {
    let service = after_some_decisions().await;
    let mut victor = Person::named(&service, "victor").await;
    let since = |from: i64| wire::ListDecisionsRequest { from: Some(s(from)), ..all() };
    let newest = async |person: &mut Person, request| {
        let told = told(person, request).await;
        told.into_iter().map(|(_, what)| what.split(',').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let web = wire::ListDecisionsRequest { team: "web".into(), ..since(60) };
    assert_eq!(newest(&mut victor, web).await, [APPROVED, ASKED]);
    let batch = wire::ListDecisionsRequest { service: "batch".into(), ..since(60) };
    assert_eq!(newest(&mut victor, batch).await, [KEY]);
    let pool = wire::ListDecisionsRequest { pool: "gpt".into(), ..since(60) };
    assert_eq!(newest(&mut victor, pool).await, [APPROVED, ASKED]);
    let grace = wire::ListDecisionsRequest { author: "grace".into(), ..all() };
    assert_eq!(newest(&mut victor, grace).await, [APPROVED]);
    let between = wire::ListDecisionsRequest { to: Some(s(70)), ..since(60) };
    assert_eq!(newest(&mut victor, between).await, [ASKED], "the end is not within");
    service.stop().await;
}

#[tokio::test]
async fn pages_tell_everything_once_also_across_a_restart() {
    let service = after_some_decisions().await;
    let mut victor = Person::named(&service, "victor").await;
    let whole = told(&mut victor, wire::ListDecisionsRequest { page_size: 1_000, ..all() }).await;
    let mut page = wire::ListDecisionsRequest { page_size: 4, ..all() };
    let first = asked(&mut victor, page.clone()).await.unwrap();
    let mut pages = first.decisions;
    page.page_token = first.next_page_token;
    let service = service.restart().await;
    let mut victor = Person::named(&service, "victor").await;
    while !page.page_token.is_empty() {
        let next = asked(&mut victor, page.clone()).await.unwrap();
        assert!(!next.decisions.is_empty() && next.decisions.len() <= 4);
        pages.extend(next.decisions);
        page.page_token = next.next_page_token;
    }
    let pages: Vec<_> = pages.into_iter().map(|decision| (decision.author, decision.what)).collect();
    assert_eq!(pages, whole);
    service.stop().await;
}

async fn not_found(person: &mut Person, request: wire::ListDecisionsRequest) -> String {
    let refused = asked(person, request).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
    refused.message().to_owned()
}

#[tokio::test]
async fn of_what_never_was_it_is_said_that_there_is_none_and_which_names_are_near() {
    let service = after_some_decisions().await;
    let mut victor = Person::named(&service, "victor").await;
    let service_of = |name: &str| wire::ListDecisionsRequest { service: name.into(), ..all() };
    let team_of = |name: &str| wire::ListDecisionsRequest { team: name.into(), ..all() };
    let pool_of = |name: &str| wire::ListDecisionsRequest { pool: name.into(), ..all() };
    for (request, said) in [
        (service_of("chatt"), "there is no service named chatt; near to it: chat"),
        (service_of("nosuch"), "there is no service named nosuch"),
        (team_of("op"), "there is no team named op; near to it: ops"),
        (pool_of("gpt-5"), "there is no pool named gpt-5; near to it: gpt"),
    ] {
        assert_eq!(not_found(&mut victor, request).await, said);
    }
    let mut wendy = Person::named(&service, "wendy").await;
    let said = not_found(&mut wendy, service_of("bath")).await;
    assert_eq!(said, "there is no service named bath", "names of another team are not told");
    let nothing_yet = wire::ListDecisionsRequest { from: Some(s(1_000)), ..service_of("chat") };
    assert_eq!(told(&mut victor, nothing_yet).await, [], "it is there, and nothing was decided since");
    service.stop().await;
}

#[tokio::test]
async fn what_is_gone_and_has_a_past_is_found() {
    let service = after_some_decisions().await;
    let mut ada = Person::named(&service, "ada").await;
    service.advance(10);
    ada.governance.apply_policy(applying(policy_without("ops"))).await.unwrap();
    let mut victor = Person::named(&service, "victor").await;
    let gone = [
        (wire::ListDecisionsRequest { service: "batch".into(), ..all() }, "service batch: removed"),
        (wire::ListDecisionsRequest { team: "ops".into(), ..all() }, "team ops: removed"),
        (wire::ListDecisionsRequest { pool: "ada".into(), ..all() }, "pool ada: removed"),
    ];
    for (request, what) in gone {
        let told = told(&mut victor, request.clone()).await;
        assert!(told.iter().any(|(_, told)| told.starts_with(what)), "{what} of {told:#?}");
        let later = wire::ListDecisionsRequest { from: Some(s(1_000)), ..request };
        assert_eq!(asked(&mut victor, later).await.unwrap().decisions, []);
    }
    service.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_named() {
    let service = organisation().await;
    let mut victor = Person::named(&service, "victor").await;
    for (field, request) in [
        ("page_size", wire::ListDecisionsRequest { page_size: 1_001, ..all() }),
        ("page_token", wire::ListDecisionsRequest { page_token: "next".into(), ..all() }),
        ("team", wire::ListDecisionsRequest { team: "Web!".into(), ..all() }),
        ("to", wire::ListDecisionsRequest { from: Some(s(5)), to: Some(s(5)), ..all() }),
    ] {
        let refused = asked(&mut victor, request).await.unwrap_err();
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, field, "{refused}");
    }
    service.stop().await;
}
