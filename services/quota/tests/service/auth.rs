//! Who is known and who is not, over the wire: tokens, signed tokens, certificates, and floods of strangers.

use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use weir_proto::governance::v1::{self as wire, Role};
use weir_quota::config::{Auth, Config, Holder, Oidc, RoleName};

use crate::people::*;
use crate::secured::*;
use crate::support::{Service, TOKEN};

fn accepting(issuer: &Issuer) -> Config {
    let roles = [
        ("quota-admins".to_owned(), RoleName::Admin),
        ("quota-approvers".to_owned(), RoleName::Approver),
        ("team-leads".to_owned(), RoleName::Lead),
    ];
    let oidc = Oidc {
        issuer: issuer.url.clone(),
        audience: "weir".into(),
        jwks_url: None,
        name_claim: "email".into(),
        role_claim: "roles".into(),
        team_claim: "team".into(),
        roles: roles.into(),
    };
    Config { auth: Auth { oidc: Some(oidc), ..Auth::default() }, ..Config::default() }
}

/// Asks who one is, again while the issuer's keys have not come yet, as whoever is told to ask again does.
async fn who(service: &Secured, token: &str) -> Result<wire::WhoAmIResponse, Status> {
    let mut person = service.person(token).await;
    loop {
        match person.who().await {
            Err(status) if status.code() == Code::Unavailable => {
                assert!(status.get_details_retry_info().is_some(), "{status}");
            }
            other => return other,
        }
    }
}

#[tokio::test]
async fn a_token_of_the_issuer_says_who_its_bearer_is() {
    let key = Key::generate();
    let issuer = Issuer::start(&[("k1", &key)]).await;
    let service = Secured::start(accepting(&issuer), Some(TOKEN)).await;
    let approver = who(&service, &key.sign("k1", &issuer.claims(&json!({})))).await.unwrap();
    assert_eq!((approver.name.as_str(), approver.role()), ("ada@example.com", Role::Approver));
    let lead = json!({ "roles": "team-leads", "team": "web" });
    let lead = who(&service, &key.sign("k1", &issuer.claims(&lead))).await.unwrap();
    assert_eq!((lead.role(), lead.team.as_str()), (Role::Lead, "web"));
    assert_eq!(who(&service, TOKEN).await.unwrap().role(), Role::Admin);
    service.stop().await;
}

#[tokio::test]
async fn a_token_that_is_not_right_opens_nothing() {
    let (key, forger) = (Key::generate(), Key::generate());
    let issuer = Issuer::start(&[("k1", &key)]).await;
    let service = Secured::start(accepting(&issuer), Some(TOKEN)).await;
    let good = issuer.claims(&json!({}));
    let claims = |changes| issuer.claims(&changes);
    #[rustfmt::skip]
    let table = [
        ("expired",   key.sign("k1", &claims(json!({ "exp": crate::support::START_S - 61 })))),
        ("aud",       key.sign("k1", &claims(json!({ "aud": "else" })))),
        ("iss",       key.sign("k1", &claims(json!({ "iss": "https://evil.example.com" })))),
        ("roles",     key.sign("k1", &claims(json!({ "roles": ["everybody"] })))),
        ("signature", forger.sign("k1", &good)),
        ("key",       forger.sign("k2", &good)),
        ("signed",    unsigned(&good)),
    ];
    assert!(who(&service, &key.sign("k1", &good)).await.is_ok());
    for (because, token) in table {
        let status = who(&service, &token).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{because}: {status}");
        assert!(status.message().contains(because), "{because}: {status}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_token_is_good_until_it_expires() {
    let key = Key::generate();
    let issuer = Issuer::start(&[("k1", &key)]).await;
    let service = Secured::start(accepting(&issuer), Some(TOKEN)).await;
    let token = key.sign("k1", &issuer.claims(&json!({})));
    assert!(who(&service, &token).await.is_ok());
    service.clock.advance(std::time::Duration::from_secs(361));
    assert_eq!(who(&service, &token).await.unwrap_err().code(), Code::Unauthenticated);
    service.stop().await;
}

#[tokio::test]
async fn an_issuer_that_is_away_keeps_nobody_else_out() {
    let key = Key::generate();
    let issuer = Issuer::start(&[("k1", &key)]).await;
    let (config, token) = (accepting(&issuer), key.sign("k1", &issuer.claims(&json!({}))));
    drop(issuer);
    let service = Secured::start(config, Some(TOKEN)).await;
    assert_eq!(service.person(&token).await.who().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(service.person(TOKEN).await.who().await.unwrap().role(), Role::Admin);
    service.stop().await;
}

#[tokio::test]
async fn a_certificate_says_who_its_holder_is() {
    let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
    let holder =
        |name: &str, role, team: Option<&str>| Holder { name: name.into(), role, team: team.map(Into::into) };
    let certificates =
        vec![holder("gateway-1", RoleName::Node, None), holder("wendy", RoleName::Lead, Some("web"))];
    let config = Config {
        tls: Some(authority.serve_in(dir.path())),
        auth: Auth { certificates, ..Auth::default() },
        ..Config::default()
    };
    let service = Secured::start(config, Some(TOKEN)).await;

    let gateway = Some(authority.identity("gateway-1"));
    let node = service.certified(&authority, gateway, "").await.unwrap().who().await.unwrap();
    assert_eq!((node.name.as_str(), node.role()), ("gateway-1", Role::Node));
    let lead = Some(authority.identity("wendy"));
    let lead = service.certified(&authority, lead, "").await.unwrap().who().await.unwrap();
    assert_eq!((lead.role(), lead.team.as_str()), (Role::Lead, "web"));

    let nobody = service.certified(&authority, None, "").await.unwrap().who().await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    let admin = service.certified(&authority, None, TOKEN).await.unwrap().who().await.unwrap();
    assert_eq!(admin.role(), Role::Admin);

    let stranger = Some(authority.identity("stranger"));
    let stranger = service.certified(&authority, stranger, "").await.unwrap().who().await.unwrap_err();
    assert_eq!(stranger.code(), Code::Unauthenticated);
    assert!(stranger.message().contains("\"stranger\""), "{stranger}");

    let forged = Some(Authority::new().identity("gateway-1"));
    let forged = match service.certified(&authority, forged, "").await {
        Ok(mut forger) => forger.who().await.is_ok(),
        Err(_) => false,
    };
    assert!(!forged, "a certificate of another authority is nobody's");
    service.stop().await;
}

#[tokio::test]
async fn without_any_token_whoever_is_on_this_machine_is_admin() {
    let service = Secured::start(Config::default(), None).await;
    let who = service.person("").await.who().await.unwrap();
    assert_eq!(who.role(), Role::Admin);
    assert_eq!(service.person("guessed").await.who().await.unwrap_err().code(), Code::Unauthenticated);
    service.stop().await;
}

#[tokio::test]
async fn a_gateways_token_opens_no_more_than_gateways_need() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("node.token"), "n0de\n").unwrap();
    let node_token = Some(weir_runtime::secrets::SecretSource::File(dir.path().join("node.token")));
    let config = Config { auth: Auth { node_token, ..Auth::default() }, ..Config::default() };
    let service = Secured::start(config, Some(TOKEN)).await;
    let mut node = service.person("n0de").await;
    assert_eq!(node.who().await.unwrap().role(), Role::Node);
    let export = node.governance.export_policy(wire::ExportPolicyRequest {}).await.unwrap_err();
    assert_eq!(export.code(), Code::PermissionDenied);
    service.stop().await;
}

#[tokio::test]
async fn settings_that_contradict_themselves_stop_the_start() {
    let holder = Holder { name: "gateway-1".into(), role: RoleName::Node, team: None };
    let config = Config { auth: Auth { certificates: vec![holder], ..Auth::default() }, ..Config::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ports = weir_quota::Ports {
        clock: std::sync::Arc::new(weir_runtime::clock::SystemClock),
        journal: std::sync::Arc::new(weir_runtime::journal::memory::MemoryJournal::new()),
        health: weir_runtime::health::Health::default(),
        listener,
        token: None,
        data_dir: None,
    };
    let ended = weir_quota::run(config, ports, tokio_util::sync::CancellationToken::new()).await;
    assert!(matches!(ended, Err(weir_quota::Error::Auth(_))), "{ended:?}");
}

#[tokio::test]
async fn a_flood_of_strangers_is_cut_short_and_whoever_is_known_still_passes() {
    let service = Service::start().await;
    let mut stranger = Person::with(&service, "guessed").await;
    let mut last = None;
    for _ in 0..40 {
        last = stranger.who().await.err();
    }
    let last = last.unwrap();
    assert_eq!(last.code(), Code::ResourceExhausted);
    assert!(last.get_details_retry_info().unwrap().retry_delay.is_some());
    assert!(Person::with(&service, TOKEN).await.who().await.is_ok());
    service.stop().await;
}

#[tokio::test]
async fn a_flood_of_governance_is_cut_short_for_whoever_makes_it_and_admission_goes_on() {
    let service = organisation().await;
    let (mut ada, mut victor) =
        (Person::named(&service, "ada").await, Person::named(&service, "victor").await);
    let mut codes = Vec::new();
    for _ in 0..100 {
        codes.push(ada.who().await.map_or_else(|status| status.code(), |_| Code::Ok));
    }
    assert!(codes[..60].iter().all(|code| *code == Code::Ok), "{codes:?}");
    let early = ada.governance.list_access_keys(wire::ListAccessKeysRequest {}).await.unwrap_err();
    assert_eq!(early.code(), Code::ResourceExhausted);
    assert!(early.get_details_retry_info().unwrap().retry_delay.is_some());
    assert!(victor.who().await.is_ok());
    let headroom = weir_proto::quota::v1::GetHeadroomRequest { service: "chat".into(), ..Default::default() };
    assert!(ada.admission.get_headroom(headroom).await.is_ok());
    service.stop().await;
}
