//! Who gets a key, and what becomes of it.

use super::*;
use crate::access::{AccessKey, Principal, Role};
use crate::directory::{CallerKey, KeyHash, KeyHolder};
use crate::org::{AccessKeyRefused, Event, KeyRefused, KeyRotation};
use crate::policy::sample::{day, id, policy, service};

fn hash(secret: u8) -> KeyHash {
    KeyHash::new([secret; 32])
}

fn key(name: &str, secret: u8) -> CallerKey {
    CallerKey {
        id: id(name),
        hash: hash(secret),
        service: id("chat"),
        holder: KeyHolder::Human { name: "Ada".into() },
        expires: None,
        models: vec![id("gpt-4o")],
    }
}

fn access_key(name: &str, secret: u8, role: Role) -> AccessKey {
    AccessKey { id: id(name), hash: hash(secret), role, expires: None }
}

fn record(org: &mut Org, events: impl IntoIterator<Item = Event>) {
    for event in events {
        org.evolve(&event);
    }
}

fn with_key() -> Org {
    let mut org = organised(&policy());
    let created = org.create_key(&key("one", 1), by()).unwrap();
    record(&mut org, created);
    org
}

fn rotation() -> KeyRotation {
    KeyRotation { old: id("one"), new: id("two"), new_hash: hash(2), old_expires: day(7), new_expires: None }
}

fn rotated() -> Org {
    let mut org = with_key();
    let events = org.rotate_key(&rotation(), &by()).unwrap();
    record(&mut org, events);
    org
}

#[test]
fn a_key_is_created_once_and_neither_its_name_nor_its_secret_is_used_again() {
    let mut org = with_key();
    assert_eq!(org.create_key(&key("one", 1), by()), Ok(None));
    assert_eq!(org.directory().keys, [key("one", 1)]);
    let name_taken = Err(KeyRefused::NameTaken { id: id("one") });
    let secret_taken = Err(KeyRefused::SecretTaken { other: id("one") });
    assert_eq!(org.create_key(&key("one", 2), by()), name_taken);
    assert_eq!(org.create_key(&key("two", 1), by()), secret_taken);
    let revoked = org.revoke_key(&id("one"), by()).unwrap();
    record(&mut org, revoked);
    assert_eq!(org.revoke_key(&id("one"), by()), Ok(None));
    assert_eq!(org.create_key(&key("one", 1), by()), name_taken);
    assert_eq!(org.create_key(&key("two", 1), by()), secret_taken);
    assert_eq!(org.directory().keys, []);
}

#[test]
fn a_key_is_for_a_service_and_models_that_exist_and_expires_in_the_future() {
    let org = organised(&policy());
    let refused = |key: CallerKey| org.create_key(&key, by()).unwrap_err();
    let one = || key("one", 1);
    assert_eq!(
        refused(CallerKey { service: id("nobody"), ..one() }),
        KeyRefused::NoService { service: id("nobody") }
    );
    assert_eq!(
        refused(CallerKey { models: vec![id("gpt-9")], ..one() }),
        KeyRefused::NoModel { model: id("gpt-9") }
    );
    assert_eq!(refused(CallerKey { expires: Some(NOW), ..one() }), KeyRefused::ExpiryPast { expires: NOW });
    assert_eq!(org.revoke_key(&id("one"), by()), Err(KeyRefused::NoKey { id: id("one") }));
}

#[test]
fn a_rotated_key_goes_on_for_an_overlap_beside_its_successor() {
    let org = rotated();
    let old = CallerKey { expires: Some(day(7)), ..key("one", 1) };
    assert_eq!(
        org.directory().keys,
        [old, key("two", 2)],
        "the successor has its service, holder and models"
    );
    assert_eq!(org.key(&id("two")), Some(&key("two", 2)));
}

/// The expiry of the key that takes the place of `old` on a day.
fn successor_of(org: &mut Org, old: &str, new: u8, at: u64, expires: Option<Timestamp>) -> Option<Timestamp> {
    let name = format!("key-{new}");
    let rotation = KeyRotation {
        old: id(old),
        new: id(&name),
        new_hash: hash(new),
        old_expires: day(at + 1),
        new_expires: expires,
    };
    let events = org.rotate_key(&rotation, &by_at(day(at))).unwrap();
    record(org, events);
    org.key(&id(&name)).unwrap().expires
}

#[test]
fn a_successor_lives_as_long_as_the_key_before_it_was_to_live() {
    let mut org = organised(&policy());
    let created = org.create_key(&CallerKey { expires: Some(day(90)), ..key("one", 1) }, by()).unwrap();
    record(&mut org, created);
    assert_eq!(successor_of(&mut org, "one", 2, 80, None), Some(day(170)));
    let mut org = Org::from_image(org.image());
    assert_eq!(successor_of(&mut org, "key-2", 3, 160, None), Some(day(250)));
    assert_eq!(successor_of(&mut org, "key-3", 4, 200, Some(day(210))), Some(day(210)), "or as is said");
    assert_eq!(successor_of(&mut with_key(), "one", 2, 80, None), None, "for ever, as the one before it");
}

#[test]
fn a_rotation_that_is_asked_for_again_changes_nothing_whatever_came_after() {
    let mut org = rotated();
    assert_eq!(org.rotate_key(&rotation(), &by()), Ok(vec![]));
    assert_eq!(org.rotate_key(&rotation(), &by_at(day(8))), Ok(vec![]), "the overlap is over");
    let next = KeyRotation {
        old: id("two"),
        new: id("three"),
        new_hash: hash(3),
        old_expires: day(9),
        new_expires: None,
    };
    let events = org.rotate_key(&next, &by()).unwrap();
    record(&mut org, events);
    assert_eq!(org.rotate_key(&rotation(), &by()), Ok(vec![]), "the successor has one itself");
    let revoked = org.revoke_key(&id("one"), by()).unwrap();
    record(&mut org, revoked);
    assert_eq!(org.rotate_key(&rotation(), &by()), Ok(vec![]), "the old one is revoked");
}

#[test]
fn a_rotation_that_was_recorded_in_half_is_completed_by_the_same_rotation() {
    let mut org = with_key();
    let events = org.rotate_key(&rotation(), &by()).unwrap();
    record(&mut org, events.into_iter().take(1));
    let rest = org.rotate_key(&rotation(), &by()).unwrap();
    record(&mut org, rest);
    assert_eq!(org.directory(), rotated().directory());
}

#[test]
fn an_overlap_ends_in_the_future_and_not_after_the_old_key() {
    let org = rotated();
    let refused = |rotation: KeyRotation, at| org.rotate_key(&rotation, &by_at(at)).unwrap_err();
    let until = |old_expires| KeyRotation { old_expires, ..rotation() };
    assert_eq!(refused(until(NOW), NOW), KeyRefused::ExpiryPast { expires: NOW });
    assert_eq!(refused(until(day(8)), NOW), KeyRefused::ExpiresBefore { id: id("one"), expires: day(7) });
    assert_eq!(org.rotate_key(&until(day(6)), &by()).unwrap().len(), 1, "it may end sooner");
}

#[test]
fn a_successor_is_a_key_of_its_own() {
    let org = with_key();
    let refused = |rotation: KeyRotation| org.rotate_key(&rotation, &by()).unwrap_err();
    let itself = KeyRotation { new: id("one"), new_hash: hash(1), ..rotation() };
    assert_eq!(refused(itself), KeyRefused::NameTaken { id: id("one") });
    let same_secret = KeyRotation { new_hash: hash(1), ..rotation() };
    assert_eq!(refused(same_secret), KeyRefused::SecretTaken { other: id("one") });
    let unknown = KeyRotation { old: id("none"), ..rotation() };
    assert_eq!(refused(unknown), KeyRefused::NoKey { id: id("none") });
}

#[test]
fn keys_of_a_service_that_is_removed_call_no_more_and_are_named() {
    let mut org = rotated();
    let lines =
        apply(&mut org, &Policy { services: vec![service("search", 10_000)], bursts: vec![], ..policy() })
            .lines;
    assert_eq!(lines.last().unwrap(), "service chat: removed; caller keys one, two may call no more");
    assert_eq!(org.directory().keys, []);
    assert_eq!(org.keys().count(), 2, "they are listed until they are revoked");
}

#[test]
fn an_access_key_opens_as_what_it_is_for_until_it_expires_or_is_revoked() {
    let mut org = organised(&policy());
    let short = AccessKey { expires: Some(day(1)), ..access_key("short", 2, Role::Viewer) };
    for key in [access_key("root", 1, Role::Admin), short.clone()] {
        let created = org.create_access_key(&key, by()).unwrap();
        record(&mut org, created);
    }
    let root = Principal { name: "root".into(), role: Role::Admin };
    assert_eq!(org.principal_of(&hash(1), NOW), Some(root));
    assert_eq!(org.principal_of(&hash(2), NOW).map(|principal| principal.role), Some(Role::Viewer));
    assert_eq!(org.principal_of(&hash(2), day(1)), None);
    assert_eq!(org.principal_of(&hash(3), NOW), None);
    assert_eq!(org.access_keys().count(), 2);
    let revoked = org.revoke_access_key(&id("root"), by()).unwrap();
    record(&mut org, revoked);
    assert_eq!(org.principal_of(&hash(1), NOW), None);
    assert_eq!(org.revoke_access_key(&id("root"), by()), Ok(None));
    assert_eq!(org.create_access_key(&short, by()), Ok(None));
}

#[test]
fn an_access_key_is_new_and_for_a_team_that_exists() {
    let mut org = organised(&policy());
    let created = org.create_access_key(&access_key("root", 1, Role::Admin), by()).unwrap();
    record(&mut org, created);
    let revoked = org.revoke_access_key(&id("root"), by()).unwrap();
    record(&mut org, revoked);
    let refused = |key: AccessKey| org.create_access_key(&key, by()).unwrap_err();
    assert_eq!(refused(access_key("root", 2, Role::Admin)), AccessKeyRefused::NameTaken { id: id("root") });
    assert_eq!(
        refused(access_key("two", 1, Role::Admin)),
        AccessKeyRefused::SecretTaken { other: id("root") }
    );
    let nobody = access_key("two", 2, Role::Lead(id("nobody")));
    assert_eq!(refused(nobody), AccessKeyRefused::NoTeam { team: id("nobody") });
    let past = AccessKey { expires: Some(NOW), ..access_key("two", 2, Role::Node) };
    assert_eq!(refused(past), AccessKeyRefused::ExpiryPast { expires: NOW });
    let unknown = org.revoke_access_key(&id("two"), by()).unwrap_err();
    assert_eq!(unknown, AccessKeyRefused::NoKey { id: id("two") });
}

#[test]
fn the_lead_of_a_team_that_is_removed_is_nobody_and_is_named() {
    let mut org = organised(&policy());
    let created = org.create_access_key(&access_key("ada", 1, Role::Lead(id("web"))), by()).unwrap();
    record(&mut org, created);
    assert!(org.principal_of(&hash(1), NOW).is_some());
    let lines =
        apply(&mut org, &Policy { teams: vec![], services: vec![], bursts: vec![], ..policy() }).lines;
    assert_eq!(lines.last().unwrap(), "team web: removed; access key ada may open nothing more");
    assert_eq!(org.principal_of(&hash(1), NOW), None);
}
