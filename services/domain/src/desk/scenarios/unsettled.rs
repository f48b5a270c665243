//! Stories of holds that nobody settles.

use super::story::{Story, service, terms};
use crate::amount::Tokens;
use crate::desk::{
    Asker, Desk, HOLD_LIFETIME, LOOKED_AT_MAX, RESERVATION_WINDOW, Reserve, Unsettled, UnsettledPart,
};
use crate::ids::ReservationId;
use crate::ledger::Quantity;
use crate::time::Timestamp;

const FIRST: ReservationId = ReservationId::new(0);

fn pool() -> Story {
    Story::given_pool(600_000).and("chat", terms(60_000)).and("search", terms(60_000))
}

fn all(story: &Story) -> Vec<Unsettled> {
    let UnsettledPart { holds, next, .. } = story.desk.unsettled(FIRST, story.desk.ledger().at(), |_| true);
    assert_eq!(next, None);
    holds
}

#[test]
fn what_is_held_is_told_until_it_is_settled_and_stays_told_when_nobody_keeps_it_alive() {
    let mut story = pool();
    let first = story.reserve("chat", 100).unwrap();
    story.wait_ms(1_000);
    let second = story.reserve("search", 200).unwrap();
    let held: Vec<_> = all(&story).into_iter().map(|it| (it.hold, it.service)).collect();
    assert_eq!(held, [(first, service("chat")), (second, service("search"))], "the oldest first");
    story.settle(second, 150);
    let [left] = &all(&story)[..] else { panic!("one is left") };
    assert_eq!((left.hold, left.until), (first, Some(left.since.plus(HOLD_LIFETIME))));
    story.wait_ms(121_000);
    let [left] = &all(&story)[..] else { panic!("it is held all the same") };
    assert_eq!((left.hold, left.until), (first, None));
    story.settle(first, 100);
    assert_eq!(all(&story), []);
}

#[test]
fn only_what_is_old_enough_and_wanted_is_told() {
    let mut story = pool();
    story.reserve("chat", 100).unwrap();
    story.wait_ms(10_000);
    let before = story.desk.ledger().at();
    story.wait_ms(10_000);
    story.reserve("chat", 100).unwrap();
    story.reserve("search", 100).unwrap();
    let told = |until, who| story.desk.unsettled(FIRST, until, |it| *it == service(who)).holds.len();
    let now = story.desk.ledger().at();
    assert_eq!([told(before, "chat"), told(now, "chat")], [1, 2]);
    assert_eq!([told(before, "search"), told(now, "search")], [0, 1]);
}

#[test]
fn many_are_told_in_parts_that_have_each_of_them_once() {
    let mut story = pool();
    for _ in 0..5 {
        for _ in 0..LOOKED_AT_MAX / 2 {
            story.reserve("chat", 1).unwrap();
        }
        story.wait_ms(1_000);
    }
    let (mut told, mut first, mut parts) = (Vec::new(), Some(FIRST), 0);
    while let Some(from) = first {
        let part = story.desk.unsettled(from, story.desk.ledger().at(), |_| true);
        assert!(part.holds.len() <= LOOKED_AT_MAX, "a part is bounded");
        told.extend(part.holds.into_iter().map(|it| it.reservation));
        (first, parts) = (part.next, parts + 1);
    }
    assert!(parts > 2 && told.is_sorted(), "{parts} parts");
    told.dedup();
    assert_eq!(told.len(), 5 * (LOOKED_AT_MAX / 2));
}

#[test]
fn what_was_minted_in_one_instant_is_told_in_bounded_parts_too() {
    let mut story = pool();
    let asked: Vec<_> = (0..3 * LOOKED_AT_MAX).map(|_| story.reserve("chat", 0).unwrap()).collect();
    let (mut told, mut first) = (Vec::new(), Some(FIRST));
    while let Some(from) = first {
        let part = story.desk.unsettled(from, story.desk.ledger().at(), |_| true);
        assert!(part.holds.len() <= LOOKED_AT_MAX, "{} in a part", part.holds.len());
        told.extend(part.holds.into_iter().map(|it| it.hold));
        first = part.next;
    }
    assert_eq!(told, asked);
}

#[test]
fn a_part_says_since_when_all_is_known() {
    let mut story = pool();
    let known_since =
        |story: &Story| story.desk.unsettled(FIRST, story.desk.ledger().at(), |_| true).known_since;
    let began = story.now;
    story.reserve("chat", 100).unwrap();
    story.wait_ms(10_000);
    assert_eq!(known_since(&story), began, "not before the desk began");
    story.wait_ms(1_000_000);
    let since = known_since(&story);
    assert!(since > began && since <= story.now.minus(RESERVATION_WINDOW));
    assert_eq!(all(&story), [], "what is older is forgotten");
    assert_eq!(
        story.desk.ledger().account(&service("chat")).unwrap().outstanding().tokens,
        Tokens::new(100),
        "and is held all the same"
    );
    let desk = Desk::new(story.desk.ledger().clone(), story.now);
    let told = desk.unsettled(FIRST, story.now, |_| true);
    assert_eq!((told.holds, told.known_since), (vec![], story.now), "another desk knows nothing of before");
}

#[test]
fn who_asked_is_kept_with_the_hold() {
    let mut story = pool();
    let ms = u128::try_from(story.desk.ledger().at().as_millis()).unwrap();
    let mut reserve = |number: u128, asker| {
        let reservation = ReservationId::new(ms << 80 | 7 << 76 | 1 << 70 | number);
        let ask = Reserve { reservation, service: service("chat"), need: Quantity::ZERO };
        story.desk.reserve_for(&ask, asker).what.unwrap();
    };
    reserve(1, Asker::new(7));
    reserve(2, Asker::NOBODY);
    let askers: Vec<_> = all(&story).into_iter().map(|it| it.asker).collect();
    assert_eq!(askers, [Asker::new(7), Asker::NOBODY]);
    assert_eq!(story.desk.unsettled(FIRST, Timestamp::EPOCH, |_| true).holds, []);
}
