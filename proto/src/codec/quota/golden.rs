//! The bytes of every version of every quota fact ever written. A change here is a change of what old journals mean.

pub(in crate::codec) mod facts;

use super::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use weir_domain::ids::EventId;

fn recorded() -> Vec<QuotaRecorded> {
    let record = |fact| QuotaRecorded { id: EventId::new(1), node: "quota-1".parse().unwrap(), fact };
    facts::of_pools().into_iter().chain(facts::of_the_organisation()).map(record).collect()
}

fn rendered(record: &Record) -> String {
    let envelope = Attributes::of(record).unwrap();
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
fn every_type_that_is_documented_has_golden_bytes() {
    let documented = include_str!("../../../weir/quota/v1/events.proto").lines();
    let documented = documented.filter_map(|line| line.strip_prefix("// ce_type "));
    let first = |text: &'static str| text.split([' ', ':']).next().unwrap();
    let documented: BTreeSet<_> = documented.map(first).collect();
    let golden: BTreeSet<_> = include_str!("golden.txt").lines().map(first).collect();
    assert_eq!(documented, golden);
}

#[test]
fn a_type_of_a_later_version_is_named() {
    let mut record = quota_event_to_record(&recorded()[0]);
    let kind = record.headers.iter_mut().find(|(name, _)| name == "ce_type").unwrap();
    kind.1 = "weir.quota.ledger_moved.v9".into();
    let kind = "weir.quota.ledger_moved.v9".to_owned();
    assert_eq!(quota_event_from_record(&record), Err(DecodeError::UnknownType { kind }));
}
