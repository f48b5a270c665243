//! The bytes of every version of every quota fact ever written. A change here is a change of what old journals mean.

use super::*;
use std::fmt::Write as _;
use weir_domain::amount::{Tokens, TokensPerMinute};
use weir_domain::directory::{CallerKey, KeyHash};
use weir_domain::ids::{EventId, HoldId};
use weir_domain::ledger::{Governed, Moved, Movement, Terms, TermsChanged};
use weir_domain::org::{Decided, Event};
use weir_domain::policy::{Burst, Deployment, Encoding, Model, Pool, Service, Team};
use weir_domain::price::{Currency, PicoPerToken, Price};
use weir_domain::time::{Timestamp, Window};

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_763_700_000 + secs)
}

fn by() -> Authorship {
    Authorship { author: "ada".into(), reason: "launch".into(), at: at(0) }
}

fn governed(what: TermsChanged) -> QuotaFact {
    QuotaFact::Governed { pool: id("gpt-4o"), event: Governed { by: by(), what } }
}

fn org(what: Decided) -> QuotaFact {
    QuotaFact::Org(Event { by: by(), what })
}

fn movement(after: i64, service: &str, what: Moved) -> Movement {
    Movement { at: at(after), hold: HoldId::new(0x0193_4567), service: id(service), what }
}

fn movements() -> Vec<Movement> {
    let (one, two) = (Tokens::new(100), Tokens::new(120));
    vec![
        movement(0, "chat", Moved::Held { tokens: one }),
        movement(1, "search", Moved::Settled { used: two, held: None }),
        movement(1, "chat", Moved::Settled { used: two, held: Some(one) }),
        movement(2, "chat", Moved::Released { held: Some(Tokens::ZERO) }),
        movement(2, "chat", Moved::Released { held: None }),
    ]
}

fn pool_facts() -> Vec<QuotaFact> {
    let model = Model { name: id("gpt-4o"), encoding: Encoding::O200kBase, output_max: Tokens::new(16_384) };
    let deployment = Deployment { upstream: id("azure"), id: id("gpt-4o-eu"), model: id("gpt-4o") };
    let capacity = TokensPerMinute::new(60_000);
    let pool = Pool { id: id("gpt-4o"), capacity, models: vec![model], deployments: vec![deployment] };
    let terms = Terms { baseline: TokensPerMinute::new(6_000), request_max: Tokens::new(4_000) };
    let burst = Burst {
        id: id("launch"),
        service: id("chat"),
        pool: id("gpt-4o"),
        extra: TokensPerMinute::new(1_000),
        window: Window::try_new(at(10), at(20)).unwrap(),
        reason: "demo".into(),
        approved_by: "grace".into(),
    };
    vec![
        QuotaFact::Moved { pool: id("gpt-4o"), movements: movements() },
        QuotaFact::Resumed { pool: Some(id("gpt-4o")), at: at(3) },
        QuotaFact::Resumed { pool: None, at: at(3) },
        governed(TermsChanged::PoolDefined(pool)),
        governed(TermsChanged::PoolRemoved),
        governed(TermsChanged::AllocationSet { service: id("chat"), terms }),
        governed(TermsChanged::AllocationRemoved { service: id("chat") }),
        governed(TermsChanged::BurstGranted(burst)),
        governed(TermsChanged::BurstRevoked { burst: id("launch") }),
    ]
}

fn org_facts() -> Vec<QuotaFact> {
    let service = Service {
        id: id("chat"),
        team: id("web"),
        owner: "Ada".into(),
        use_case: "support".into(),
        when_throttled: "waits".into(),
        allocations: vec![],
    };
    let price = Price {
        model: id("gpt-4o"),
        valid_from: at(0),
        currency: Currency::try_new("USD").unwrap(),
        input: PicoPerToken::new(2_500_000),
        input_cached: PicoPerToken::new(1_250_000),
        output: PicoPerToken::new(10_000_000),
    };
    let hash = KeyHash::new([7; 32]);
    let key = CallerKey { id: id("chat-1"), hash, service: id("chat"), expires: Some(at(60)) };
    vec![
        org(Decided::TeamDefined(Team { id: id("web"), title: "Web".into() })),
        org(Decided::TeamRemoved(id("web"))),
        org(Decided::ServiceDefined(service)),
        org(Decided::ServiceRemoved(id("chat"))),
        org(Decided::PriceSet(price)),
        org(Decided::PriceRemoved { model: id("gpt-4o"), valid_from: at(0) }),
        org(Decided::CallerKeyCreated(key)),
        org(Decided::CallerKeyRevoked(id("chat-1"))),
    ]
}

fn recorded() -> Vec<QuotaRecorded> {
    let facts = pool_facts().into_iter().chain(org_facts());
    facts.map(|fact| QuotaRecorded { id: EventId::new(1), node: id("quota-1"), fact }).collect()
}

fn rendered(record: &Record) -> String {
    let envelope = Envelope::open(record).unwrap();
    let key = String::from_utf8(record.key.to_vec()).unwrap();
    let mut line = format!("{} key={key} subject={} ", envelope.kind, envelope.subject);
    for byte in &record.payload {
        write!(line, "{byte:02x}").unwrap();
    }
    line
}

#[test]
fn every_fact_survives_the_journal() {
    for recorded in recorded() {
        let record = quota_event_to_record(&recorded);
        assert_eq!(quota_event_from_record(&record), Ok(recorded));
    }
}

#[test]
fn the_bytes_of_every_version_stay_what_they_were() {
    let now: Vec<_> = recorded().iter().map(|fact| rendered(&quota_event_to_record(fact))).collect();
    let golden: Vec<_> = include_str!("golden.txt").lines().collect();
    assert_eq!(now, golden, "\n{}", now.join("\n"));
}

#[test]
fn a_type_of_a_later_version_is_named() {
    let mut record = quota_event_to_record(&recorded()[0]);
    let kind = record.headers.iter_mut().find(|(name, _)| name == "ce_type").unwrap();
    kind.1 = "weir.quota.ledger_moved.v9".into();
    let kind = "weir.quota.ledger_moved.v9".to_owned();
    assert_eq!(quota_event_from_record(&record), Err(DecodeError::UnknownType { kind }));
}

#[test]
fn a_movement_that_names_no_service_is_poison() {
    let message = wire::LedgerMoved {
        pool: "gpt-4o".into(),
        at: Some(prost_types::Timestamp::default()),
        services: vec![],
        movements: vec![wire::Movement {
            hold: vec![0; 16],
            service: 0,
            after_nanos: 0,
            what: Some(wire::movement::What::Held(wire::Held { tokens: 1 })),
        }],
    };
    assert_eq!(moved::from_wire(&message), Err(DecodeError::field("movements.service", "missing")));
}
