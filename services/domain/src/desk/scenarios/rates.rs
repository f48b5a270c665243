//! Stories of rates: while a burst lasts, all that is shown is what holds then.

use super::story::{BEGIN_S, Story, may_borrow, service, terms, tpm};
use crate::amount::TokensPerMinute;
use crate::burst::Approval;
use crate::desk::Rates;
use crate::policy::{Lapse, Terms};
use crate::time::Timestamp;

const MINUTE_MS: u64 = 60_000;

fn rates(story: &Story) -> Rates {
    story.desk.headroom(&service("chat"), None).unwrap().rates
}

/// Baseline, guaranteed bursts, best-effort bursts, guarantee, ceiling, lending at most, lent.
fn shown(story: &Story) -> [u64; 7] {
    let Rates { baseline, guaranteed_bursts, best_effort_bursts, guarantee, ceiling, lending_max, lent } =
        rates(story);
    [baseline, guaranteed_bursts, best_effort_bursts, guarantee, ceiling, lending_max, lent]
        .map(TokensPerMinute::get)
}

#[test]
fn ceiling_and_lending_are_those_of_the_burst_while_it_lasts() {
    let mut story = Story::given_pool(600_000).and("chat", may_borrow(6_000, 12_000));
    assert_eq!(shown(&story), [6_000, 0, 0, 6_000, 12_000, 6_000, 6_000]);
    story.burst("launch", 60_000, (0, MINUTE_MS), Approval::Guaranteed);
    story.burst("fair", 3_000, (0, MINUTE_MS), Approval::BestEffort);
    assert_eq!(shown(&story), [6_000, 60_000, 3_000, 66_000, 75_000, 66_000, 0], "it begins to refill");
    story.wait_ms(MINUTE_MS - 1);
    assert_eq!(shown(&story), [6_000, 60_000, 3_000, 66_000, 75_000, 66_000, 66_000]);
    story.wait_ms(1);
    assert_eq!(shown(&story), [6_000, 0, 0, 6_000, 12_000, 6_000, 6_000]);
}

#[test]
fn a_lending_limit_holds_in_a_burst_too() {
    let limited = Terms { lending: Some(tpm(1_000)), ..terms(6_000) };
    let mut story = Story::given_pool(600_000).and("chat", limited);
    story.burst("launch", 60_000, (0, 2 * MINUTE_MS), Approval::Guaranteed);
    story.wait_ms(MINUTE_MS);
    assert_eq!(shown(&story), [6_000, 60_000, 0, 66_000, 66_000, 1_000, 1_000]);
}

#[test]
fn what_an_exception_has_left_is_shown_once_it_has_ended() {
    let lapse = Some(Lapse { at: Timestamp::from_secs(BEGIN_S + 60), to: tpm(1_000) });
    let mut story = Story::given_pool(600_000).and("chat", Terms { lapse, ..may_borrow(6_000, 12_000) });
    story.wait_ms(MINUTE_MS);
    assert_eq!(shown(&story), [1_000, 0, 0, 1_000, 1_000, 1_000, 1_000]);
}
