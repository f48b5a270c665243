//! How much of a kind an organisation may have, and that what is over leaves room.

use super::*;
use crate::access::{AccessKey, Role};
use crate::burst::{Approval, BURST_EXTRA_MAX};
use crate::directory::{CallerKey, KeyHash, KeyHolder};
use crate::org::{
    ACCESS_KEYS_MAX, AccessKeyRefused, CALLER_KEYS_MAX, Decided, EXCEPTIONS_MAX, Event, ExceptionRefused,
    KeyRefused, NAMES_USED_UP_MAX, OrgImage,
};
use crate::policy::sample::{burst, day, exception, id, policy};
use crate::time::Window;

fn hash(number: usize) -> KeyHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    KeyHash::new(bytes)
}

fn caller_key(number: usize, expires: Option<Timestamp>) -> CallerKey {
    let (id, service, holder) = (id(&format!("k{number}")), id("chat"), KeyHolder::Workload);
    CallerKey { id, hash: hash(number), service, holder, expires, models: vec![] }
}

fn create(org: &mut Org, key: &CallerKey, at: Timestamp) -> Result<(), KeyRefused> {
    org.create_key(key, by_at(at)).map(|event| org.evolve(&event.unwrap()))
}

#[test]
fn a_service_has_so_many_keys_and_expired_ones_leave_room() {
    let mut org = organised(&policy());
    for number in 0..CALLER_KEYS_MAX {
        create(&mut org, &caller_key(number, (number < 3).then(|| day(1))), NOW).unwrap();
    }
    let refused = create(&mut org, &caller_key(100, None), NOW).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "service chat has 64 caller keys that may call, which is the most; revoke one that is not used"
    );
    let event = org.revoke_key(&id("k9"), by()).unwrap().unwrap();
    org.evolve(&event);
    create(&mut org, &caller_key(100, None), NOW).unwrap();
    for number in 101..104 {
        create(&mut org, &caller_key(number, None), day(1)).unwrap();
    }
    assert_eq!(org.keys().count(), CALLER_KEYS_MAX, "what has expired is no longer told to gateways");
    let refused = create(&mut org, &caller_key(104, None), day(1));
    assert_eq!(refused, Err(KeyRefused::TooMany { service: id("chat"), live: CALLER_KEYS_MAX }));
    let taken = create(&mut org, &caller_key(0, None), day(1));
    assert_eq!(taken, Err(KeyRefused::NameTaken { id: id("k0") }), "its name stays used up");
}

#[test]
fn the_keys_of_one_service_are_not_those_of_another() {
    let mut org = organised(&policy());
    for number in 0..CALLER_KEYS_MAX {
        create(&mut org, &caller_key(number, None), NOW).unwrap();
    }
    create(&mut org, &CallerKey { service: id("search"), ..caller_key(100, None) }, NOW).unwrap();
}

#[test]
fn there_are_so_many_access_keys_and_expired_ones_leave_room() {
    let mut org = organised(&policy());
    let key = |number, expires| AccessKey {
        id: id(&format!("a{number}")),
        hash: hash(number),
        role: Role::Viewer,
        expires,
    };
    let create = |org: &mut Org, key: &AccessKey, at| {
        org.create_access_key(key, by_at(at)).map(|event| org.evolve(&event.unwrap()))
    };
    for number in 0..ACCESS_KEYS_MAX {
        create(&mut org, &key(number, (number == 0).then(|| day(1))), NOW).unwrap();
    }
    let refused = create(&mut org, &key(9_999, None), NOW);
    assert_eq!(refused, Err(AccessKeyRefused::TooMany { live: ACCESS_KEYS_MAX }));
    create(&mut org, &key(9_999, None), day(1)).unwrap();
    assert_eq!(org.access_keys().count(), ACCESS_KEYS_MAX);
    let taken = create(&mut org, &key(0, None), day(1));
    assert_eq!(taken, Err(AccessKeyRefused::NameTaken { id: id("a0") }));
}

#[test]
fn there_are_so_many_exceptions_and_ended_ones_leave_room() {
    let mut org = organised(&policy());
    let numbered = |number: usize, days| exception(&format!("e{number}"), "chat", days);
    for number in 0..EXCEPTIONS_MAX {
        let days = if number == 0 { 1 } else { 9 };
        let what = Decided::ExceptionGranted(numbered(number, days));
        org.evolve(&Event { by: by(), what });
    }
    let refused = org.grant_exception(&numbered(9_999, 9), &RULES, &by());
    assert_eq!(refused, Err(ExceptionRefused::TooMany { open: EXCEPTIONS_MAX }));
    let longer = org.grant_exception(&numbered(5, 12), &RULES, &by());
    assert!(longer.is_ok(), "one that there is may change");
    let mut stated = policy();
    stated.exceptions = vec![numbered(9_999, 9)];
    let told = super::refused(&org, &stated);
    assert!(
        told.iter().any(|problem| problem.starts_with("exceptions: 1025 would not have ended")),
        "{told:?}"
    );
    let change = org.grant_exception(&numbered(9_999, 9), &RULES, &by_at(day(1))).unwrap();
    make(&mut org, &change, day(1));
    assert_eq!(org.exceptions(day(1)).len(), EXCEPTIONS_MAX);
}

#[test]
fn a_policy_that_states_an_absurd_burst_is_refused_and_says_what_would_be_right() {
    let org = organised(&policy());
    let mut stated = policy();
    let mut granted = burst(1_000_000_000_001);
    granted.burst.window = Window::try_new(day(733), day(733 + 367)).unwrap();
    stated.bursts = vec![granted.clone()];
    let told = super::refused(&org, &stated);
    let of_burst: Vec<_> = told.iter().filter(|problem| problem.starts_with("burst launch: ")).collect();
    assert_eq!(
        of_burst,
        [
            "burst launch: extra is 1000000000001 tokens a minute; it must be from 1 to 1000000000000",
            "burst launch: end is 2028-06-19T15:06:40Z, more than 366 days after the start 2027-06-18T15:06:40Z; what \
             lasts longer belongs into the baseline",
            "burst launch: start is 2027-06-18T15:06:40Z, more than 732 days ahead; ask when it is nearer",
        ]
    );
    granted.approval = Approval::BestEffort;
    granted.burst.extra = BURST_EXTRA_MAX;
    granted.burst.window = Window::try_new(day(732), day(732 + 366)).unwrap();
    stated.bursts = vec![granted];
    assert!(decide_policy(&org, &stated, &RULES, &by()).is_ok(), "the bounds themselves are within");
}

#[test]
fn names_of_what_is_over_are_used_up_until_thousands_more_are() {
    let mut org = organised(&policy());
    let key = |number: usize| AccessKey {
        id: id(&format!("a{number}")),
        hash: hash(number),
        role: Role::Viewer,
        expires: None,
    };
    let used_up = 0..NAMES_USED_UP_MAX;
    org = Org::from_image(OrgImage {
        revoked: used_up.clone().map(|number| (id(&format!("k{number}")), hash(number))).collect(),
        access_revoked: used_up.clone().map(|number| (key(number).id, hash(number))).collect(),
        ended: used_up.map(|number| id(&format!("e{number}"))).collect(),
        ..org.image()
    });
    let last = NAMES_USED_UP_MAX;
    let ended = exception(&format!("e{last}"), "chat", 9);
    for what in [
        Decided::CallerKeyCreated(caller_key(last, None)),
        Decided::CallerKeyRevoked(caller_key(last, None).id),
        Decided::AccessKeyCreated(key(last)),
        Decided::AccessKeyRevoked(key(last).id),
        Decided::ExceptionGranted(ended.clone()),
        Decided::ExceptionEnded(ended.id),
    ] {
        org.evolve(&Event { by: by(), what });
    }
    assert_eq!(Org::from_image(org.image()), org);
    let taken = |number| {
        let exception = exception(&format!("e{number}"), "chat", 9);
        [
            org.create_key(&caller_key(number, None), by()).is_err(),
            org.create_access_key(&key(number), by()).is_err(),
            org.grant_exception(&exception, &RULES, &by()).is_err(),
        ]
    };
    assert_eq!(
        (taken(1), taken(last)),
        ([true; 3], [true; 3]),
        "the oldest that is remembered, and the newest"
    );
    assert_eq!(taken(0), [false; 3], "one more than is remembered");
    assert!(org.principal_of(&hash(0), NOW).is_none(), "what was revoked opens nothing all the same");
}
