//! What is shown of headroom.

use super::*;
use weir_proto::quota::v1::{LimitUse, NextChange, Refused};

pub(super) fn sample() -> Headroom {
    let at = |secs| Some(codec::timestamp_to_wire(Timestamp::from_secs(secs)));
    Headroom {
        pool: "gpt".to_owned(),
        summary: "the guarantee is used up, and others leave 100 to borrow".to_owned(),
        standing: Some(Standing {
            rate_per_minute: 90_000,
            available: 3_300,
            depth: 15_000,
            borrowable: 100,
            full_after: None,
        }),
        guaranteed: 3_200,
        in_hand: 200,
        ceiling_leaves: 58_000,
        others_leave: 100,
        baseline_per_minute: 60_000,
        ceiling_per_minute: 150_000,
        guaranteed_bursts_per_minute: 30_000,
        lending_per_minute: 10_000,
        lent_per_minute: 4_000,
        borrowed: 2_000,
        threshold: 700,
        request_max: 20_000,
        pool_level: 40_000,
        pool_depth: 400_000,
        pool_capacity_per_minute: 400_000,
        pool_deficit: 50,
        requests_per_minute: Some(60),
        requests_available: Some(7),
        in_flight_max: Some(10),
        holds: 3,
        held: 1_199,
        open_tokens_per_outage: 50_000,
        budgets: vec![BudgetStanding {
            id: "month".to_owned(),
            limit: 250_000_000_000,
            used: 152_500_000_000,
            currency: "USD".to_owned(),
            hard: true,
            start: at(0),
            end: at(86_400),
        }],
        bursts: vec![ActiveBurst {
            id: "launch".to_owned(),
            extra_per_minute: 30_000,
            end: at(60),
            best_effort: false,
        }],
        next_change: Some(NextChange { at: at(60), what: "burst launch ends".to_owned() }),
        coming: vec![NextChange { at: at(3_600), what: "burst fair begins: 10 more".to_owned() }],
        prospect: Some(Prospect {
            tokens: 5_000,
            refused: Some(Refused {
                message: "it passes in 2.000 s".to_owned(),
                r#use: Some(LimitUse { limit: 9_000, ..LimitUse::default() }),
                borrowed: 700,
                ..Refused::default()
            }),
            sources: None,
        }),
        ..Headroom::default()
    }
}

/// However it is broken into lines.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn everything_that_limits_is_shown_with_how_far_it_is_used() {
    let text = text(&ServiceId::try_new("chat").unwrap(), &sample(), Timestamp::EPOCH);
    for part in [
        "chat in pool gpt\n  the guarantee is used up, and others leave 100 to borrow\n",
        "available now   3 300 tokens = 3 200 guaranteed + 100 to borrow",
        "guaranteed      3 200 tokens: ████████░░ 12 000 of 15 000 used, and 200 drawn ahead of need; refills 90 000 a minute (baseline 60 000 + 30 000 of bursts)",
        "to borrow       100 tokens: its ceiling of 150 000 a minute (30 000 of them by bursts) leaves 58 000, others leave 100 (binds) besides 700 kept for higher priorities; 2 000 are borrowed and not repaid",
        "lending         others may borrow 4 000 tokens a minute of its guarantee now, 10 000 at most",
        "held            999 tokens, by 3 requests under way",
        "the pool        █████████░ 360 000 of 400 000 tokens used; refills 400 000 a minute; 50 short of its guarantees",
        "requests        7 could be made at once; 60 a minute",
        "in flight       ███░░░░░░░ 3 of 10 requests under way",
        "budget month    ██████░░░░ 152.50 of 250.00 USD (61 %), hard: refuses when it is used up; begins anew 1970-01-02",
        "quota is away   each gateway admits at most 50 000 tokens in one outage",
        "burst launch adds 30 000 tokens a minute until 1970-01-01T00:01:00Z (in 1 min 0 s)",
        "next change     burst launch ends, 1970-01-01T00:01:00Z",
        "a request of 5 000 tokens would be refused now: it passes in 2.000 s",
    ] {
        assert!(in_one_line(&text).contains(&in_one_line(part)), "{part:?} is not in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
}

#[test]
fn in_shadow_mode_nothing_is_said_to_be_refused() {
    let shadow = Headroom { shadow: true, ..sample() };
    let text = text(&ServiceId::try_new("chat").unwrap(), &shadow, Timestamp::EPOCH);
    assert!(text.contains("shadow mode     refusals are recorded and not enforced"), "{text}");
    assert!(
        text.contains("a request of 5 000 tokens would pass in shadow mode only: it passes in"),
        "{text}"
    );
}

#[test]
fn what_never_passes_is_not_said_to_be_refused_for_now() {
    let retry = Some(Retry::NoRetry(NoRetry::Never.into()));
    let refused = Some(Refused { message: "it is too large".to_owned(), retry, ..Refused::default() });
    let said = prospect_text(&Prospect { tokens: 5_000, refused, sources: None }, &Headroom::default());
    assert_eq!(said, "a request of 5 000 tokens cannot pass as things stand: it is too large");
}

#[test]
fn a_budget_that_leaves_less_than_the_buckets_is_what_binds() {
    let standing = Standing { available: 500, ..sample().standing.unwrap() };
    let bound = Headroom { standing: Some(standing), binding_budget: "day".to_owned(), ..sample() };
    let text = text(&ServiceId::try_new("chat").unwrap(), &bound, Timestamp::EPOCH);
    let wanted =
        "500 tokens: budget day leaves no more (binds); without it 3 300 = 3 200 guaranteed + 100 to borrow";
    assert!(in_one_line(&text).contains(wanted), "{text}");
}

#[test]
fn what_does_not_limit_is_not_shown() {
    let plain = Headroom {
        pool: "gpt".to_owned(),
        baseline_per_minute: 10,
        ceiling_per_minute: 10,
        standing: Some(Standing { rate_per_minute: 10, ..Standing::default() }),
        ..Headroom::default()
    };
    let text = text(&ServiceId::try_new("chat").unwrap(), &plain, Timestamp::EPOCH);
    assert!(text.contains("to borrow       not allowed") && text.contains("each gateway refuses"), "{text}");
    for absent in ["budget", "in flight", "requests  ", "debt", "shadow", "next change", "would"] {
        assert!(!text.contains(absent), "{absent} is in\n{text}");
    }
}
