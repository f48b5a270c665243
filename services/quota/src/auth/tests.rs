//! Who is known by what, in which order.

use weir_domain::access::{AccessKey, Action};
use weir_domain::authorship::Authorship;
use weir_domain::org::{Decided, Event};
use weir_domain::policy::Team;
use weir_domain::time::Timestamp;
use weir_runtime::clock::ManualClock;
use weir_runtime::secrets::SecretSource;

use super::*;
use crate::auth::settings::{Holder, RoleName};

const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn decide(org: &mut Org, what: Decided) {
    let by = Authorship { author: "ada".into(), reason: "test".into(), at: NOW, commit: None };
    org.evolve(&Event { by, what });
}

/// An organisation with team `web`, whose lead has the access key `lead-key`.
fn org() -> Org {
    let mut org = Org::default();
    decide(
        &mut org,
        Decided::TeamDefined(Team { id: id("web"), title: "Web".into(), contact: String::new() }),
    );
    let hash = KeyHash::new(digest("lead-key"));
    let expires = Some(Timestamp::from_secs(1_750_000_100));
    decide(
        &mut org,
        Decided::AccessKeyCreated(AccessKey { id: id("ada"), hash, role: Role::Lead(id("web")), expires }),
    );
    org
}

struct World {
    authenticator: Authenticator,
    org: Arc<ArcSwap<Org>>,
    clock: Arc<ManualClock>,
}

fn world(auth: &Auth, admin: Option<&str>) -> World {
    let (org, clock) = (Arc::new(ArcSwap::from_pointee(org())), Arc::new(ManualClock::new(NOW)));
    let admin = admin.map(|token| SecretString::from(token.to_owned()));
    let (shared, told) = (Arc::clone(&org), Arc::clone(&clock));
    let tls = Tls { certificate: "c".into(), key: "k".into(), client_ca: Some("ca".into()) };
    let given = Given { auth, tls: Some(&tls), admin: admin.as_ref() };
    let authenticator = Authenticator::open(given, shared, told).unwrap();
    World { authenticator, org, clock }
}

fn bearing(token: &str) -> Shown<'_> {
    Shown { bearer: Some(token), ..Shown::default() }
}

fn role(known: Result<Caller, Unknown>) -> Role {
    known.unwrap().principal().role.clone()
}

#[test]
fn only_the_very_token_passes() {
    let world = world(&Auth::default(), Some("s3cret"));
    assert_eq!(role(world.authenticator.identify(&bearing("s3cret"))), Role::Admin);
    for wrong in ["s3cre", "s3crets", "S3cret", ""] {
        assert_eq!(world.authenticator.identify(&bearing(wrong)), Err(Unknown::Bearer), "{wrong:?}");
    }
    assert_eq!(world.authenticator.identify(&Shown::default()), Err(Unknown::NothingShown));
}

#[test]
fn the_node_token_is_good_for_no_more_than_gateways_need() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("node"), "n0de\n").unwrap();
    let node_token = Some(SecretSource::File(dir.path().join("node")));
    let world = world(&Auth { node_token, ..Auth::default() }, Some("s3cret"));
    let node = world.authenticator.identify(&bearing("n0de")).unwrap();
    assert!(node.clone().calls(rules::Rule::May(Action::Admit)).is_ok());
    assert!(node.calls(rules::Rule::May(Action::ApplyPolicy)).is_err());
}

#[test]
fn an_access_key_is_its_holder_until_it_expires_or_is_revoked() {
    let world = world(&Auth::default(), Some("s3cret"));
    let lead = world.authenticator.identify(&bearing("lead-key")).unwrap();
    assert_eq!((lead.principal().name.as_str(), &lead.principal().role), ("ada", &Role::Lead(id("web"))));
    assert!(world.authenticator.is_still_known(&lead));
    world.clock.set(Timestamp::from_secs(1_750_000_100));
    assert!(!world.authenticator.is_still_known(&lead));
    assert_eq!(world.authenticator.identify(&bearing("lead-key")), Err(Unknown::Bearer));

    world.clock.set(NOW);
    let mut org = org();
    decide(&mut org, Decided::AccessKeyRevoked(id("ada")));
    world.org.store(Arc::new(org));
    assert!(!world.authenticator.is_still_known(&lead));
    assert_eq!(world.authenticator.identify(&bearing("lead-key")), Err(Unknown::Bearer));
}

#[test]
fn without_any_token_whoever_is_on_this_machine_is_admin_and_nobody_else() {
    let world = world(&Auth::default(), None);
    let from = |ip: &str| {
        let shown = Shown { peer: Some(ip.parse().unwrap()), ..Shown::default() };
        world.authenticator.identify(&shown)
    };
    assert_eq!(role(from("127.0.0.1")), Role::Admin);
    assert_eq!(role(from("::ffff:127.0.0.1")), Role::Admin);
    assert_eq!(from("10.0.0.1"), Err(Unknown::Elsewhere));
    assert_eq!(
        world.authenticator.identify(&Shown::default()),
        Err(Unknown::Elsewhere),
        "a call from nowhere"
    );
}

#[test]
fn once_anybody_can_be_known_being_on_this_machine_is_not_enough() {
    let holder = Holder { name: "gateway".into(), role: RoleName::Node, team: None };
    let world = world(&Auth { certificates: vec![holder], ..Auth::default() }, None);
    let shown = Shown { peer: Some("127.0.0.1".parse().unwrap()), ..Shown::default() };
    assert_eq!(world.authenticator.identify(&shown), Err(Unknown::NothingShown));
}

#[test]
fn a_known_certificate_comes_before_a_token_and_an_unknown_one_does_not() {
    let certificate = |name: &str| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone()
    };
    let holder = Holder { name: "gateway".into(), role: RoleName::Node, team: None };
    let world = world(&Auth { certificates: vec![holder], ..Auth::default() }, Some("s3cret"));
    let (known, unknown) = (certificate("gateway"), certificate("stranger"));
    let shown = |certificate, bearer| Shown { certificate: Some(certificate), bearer, peer: None };
    assert_eq!(role(world.authenticator.identify(&shown(&known, Some("s3cret")))), Role::Node);
    assert_eq!(role(world.authenticator.identify(&shown(&unknown, Some("s3cret")))), Role::Admin);
    let nobody = world.authenticator.identify(&shown(&unknown, None)).unwrap_err();
    assert!(nobody.to_string().contains("\"stranger\""), "{nobody}");
}

#[test]
fn settings_that_contradict_themselves_stop_the_service() {
    let holder = Holder { name: "lead".into(), role: RoleName::Lead, team: None };
    let auth = Auth { certificates: vec![holder], ..Auth::default() };
    let org = Arc::new(ArcSwap::from_pointee(Org::default()));
    let given = Given { auth: &auth, tls: None, admin: None };
    let opened = Authenticator::open(given, org, Arc::new(ManualClock::new(NOW)));
    let problem = opened.err().unwrap().to_string();
    assert!(problem.contains("quota.auth.certificates[0].team"), "{problem}");
    assert!(problem.contains("quota.tls.client_ca"), "{problem}");
}
