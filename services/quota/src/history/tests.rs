//! What is kept of decisions, and in which pages it is told.

use weir_domain::authorship::Authorship;
use weir_domain::ids::{EventId, NodeId};
use weir_domain::ledger::{Moved, Movement};
use weir_domain::org::{Decided, Event};
use weir_domain::policy::Team;

use super::*;

fn recorded(id: u8, fact: QuotaFact) -> QuotaRecorded {
    QuotaRecorded { id: EventId::new(id.into()), node: NodeId::try_new("quota-1").unwrap(), fact }
}

/// Team `a`, `b` and so on is defined in a second.
fn team(number: u8, second: i64) -> QuotaFact {
    let at = Timestamp::from_secs(second);
    let by = Authorship { author: "ada".into(), reason: "new".into(), at, commit: None };
    let id = char::from(b'a' + number).to_string().parse().unwrap();
    let team = Team { id, title: "t".into(), contact: String::new() };
    QuotaFact::Org(Event { by, what: Decided::TeamDefined(team) })
}

fn position(index: u8, offset: u8) -> Position {
    let partition = Partition { topic: Topic::Quota, index: index.into() };
    Position { partition, offset: Offset::new(offset.into()) }
}

/// Six teams, two each second, of which every other is recorded in another partition.
fn six(decisions_max: usize, bytes_max: usize) -> Kept {
    let mut kept = Kept::new(decisions_max, bytes_max);
    for partition in [1_u8, 0] {
        for number in (partition..6).step_by(2) {
            let fact = team(number, i64::from(number / 2));
            kept.take(position(partition, number), &recorded(number, fact));
        }
    }
    kept
}

fn names(page: &Page) -> String {
    page.decisions.iter().map(|entry| entry.team.as_ref().unwrap().to_string()).collect()
}

#[test]
fn decisions_come_the_newest_first_in_pages_that_neither_repeat_nor_leave_out() {
    let kept = six(100, BYTES_MAX);
    let mut told = Vec::new();
    let mut before = None;
    loop {
        let page = kept.page(before, 2, |_, _| true);
        told.push(names(&page));
        before = page.next.map(|cursor| cursor.to_string().parse().unwrap());
        if before.is_none() {
            break;
        }
    }
    assert_eq!(told, ["fe", "dc", "ba"]);
    let only = kept.page(None, 2, |entry, _| "abc".contains(entry.team.as_ref().unwrap().as_str()));
    assert_eq!((names(&only).as_str(), only.next.is_some()), ("cb", true));
}

#[test]
fn what_comes_between_two_pages_is_not_told_by_the_second() {
    let mut kept = six(100, BYTES_MAX);
    let first = kept.page(None, 3, |_, _| true);
    kept.take(position(0, 9), &recorded(9, team(9, 99)));
    assert_eq!(names(&kept.page(first.next, 3, |_, _| true)), "cba");
    assert_eq!(names(&kept.page(None, 1, |_, _| true)), "j");
}

#[test]
fn no_more_are_kept_than_may_be_and_it_is_told_up_to_when_they_are_forgotten() {
    let page = six(4, BYTES_MAX).page(None, 9, |_, _| true);
    assert_eq!((names(&page).as_str(), page.forgotten), ("fedc", Some(Timestamp::EPOCH)));
    let one = bytes_of(&page.decisions[0]);
    let kept = six(100, 3 * one);
    assert_eq!(names(&kept.page(None, 9, |_, _| true)), "fed");
    assert_eq!((kept.decisions.len(), kept.bytes), (3, 3 * one));
    assert_eq!(six(6, 6 * one).page(None, 9, |_, _| true).forgotten, None);
}

#[test]
fn a_decision_that_the_journal_holds_twice_is_told_once_and_movements_are_not_told() {
    let mut kept = six(100, BYTES_MAX);
    kept.take(position(0, 10), &recorded(2, team(2, 1)));
    let what = Moved::ThresholdReached { budget: "month".parse().unwrap(), percent: 80 };
    let movement = Movement { at: Timestamp::from_secs(50), service: "chat".parse().unwrap(), what };
    let moved = QuotaFact::Moved { pool: "gpt".parse().unwrap(), movements: vec![movement] };
    kept.take(position(0, 11), &recorded(11, moved));
    assert_eq!(names(&kept.page(None, 9, |_, _| true)), "fedcba");
}

/// Team `a` gets another title in each of so many seconds; the first of these decisions is there again after the second.
fn titles(with_copy: bool, decisions_max: usize) -> Kept {
    let mut kept = Kept::new(decisions_max, BYTES_MAX);
    let titled = |second: u8| {
        let QuotaFact::Org(mut event) = team(0, second.into()) else {
            unreachable!("a team is not of a pool")
        };
        if let Decided::TeamDefined(team) = &mut event.what {
            team.title = format!("title {second}");
        }
        recorded(second, QuotaFact::Org(event))
    };
    let seconds: &[u8] = if with_copy { &[0, 1, 0, 2] } else { &[0, 1, 2] };
    for (offset, second) in (0..).zip(seconds) {
        kept.take(position(0, offset), &titled(*second));
    }
    kept
}

#[test]
fn a_copy_changes_nothing_of_what_is_told_after_it_even_where_its_original_is_not_kept_any_more() {
    for decisions_max in [100, 1] {
        let whats = |with_copy| {
            let page = titles(with_copy, decisions_max).page(None, 9, |_, _| true);
            page.decisions.into_iter().map(|entry| entry.what).collect::<Vec<_>>()
        };
        assert_eq!(whats(true), whats(false));
        assert!(
            whats(true)[0].contains("title 1") && whats(true)[0].contains("title 2"),
            "{:?}",
            whats(true)
        );
    }
}

#[test]
fn a_text_that_is_no_cursor_is_refused() {
    for text in ["", "1", "1.2", "a.b.c", "1.2.3.4", "1.-2.3"] {
        assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
    }
}
