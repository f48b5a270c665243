//! Stories of prospects: what is said of a request is what `Reserve` would say to it at that instant, in debt too.

use proptest::prelude::*;

use super::budgets::daily;
use super::story::{Story, may_borrow, quantity, service, terms};
use crate::amount::Tokens;
use crate::burst::Approval;
use crate::desk::{Desk, Prospect, Reserve, Sources};
use crate::ids::{HoldId, ReservationId};
use crate::ledger::{Limit, Refusal, Retry};
use crate::policy::{Priority, Terms};
use crate::time::Timestamp;

/// What would be said to a request.
fn prospect(desk: &Desk, tokens: u64) -> Result<Sources, Refusal> {
    let headroom = desk.headroom(&service("chat"), Some(quantity(tokens))).unwrap();
    let Prospect { said, .. } = headroom.prospect.unwrap();
    said.map_err(|explained| explained.refusal)
}

/// What is said to it at an instant, at a desk that is thrown away.
fn said_to(desk: &Desk, tokens: u64, at: Timestamp) -> Result<(), Refusal> {
    let mut desk = desk.clone();
    desk.advance(at);
    let minted = u128::try_from(at.as_millis()).unwrap() << 80 | 7 << 76 | 1 << 40;
    let (reservation, service) = (ReservationId::new(minted), service("chat"));
    desk.reserve(&Reserve { reservation, service, need: quantity(tokens) }).what.map(|_| ())
}

fn now(story: &Story) -> Timestamp {
    story.desk.ledger().at()
}

/// In debt by more than what is in hand, of which nothing went back yet.
fn in_debt_with_tokens_in_hand(terms: Terms) -> (Story, u64) {
    let mut story = Story::given_pool(600_000).and("chat", terms);
    let holds = [100, 100, 100].map(|tokens| story.reserve("chat", tokens).unwrap());
    let in_hand = story.desk.in_hand(&service("chat")).get();
    assert!(in_hand > 1, "nothing was drawn ahead");
    story.settle(holds[0], 3_000);
    (story, in_hand)
}

#[test]
fn in_debt_what_is_in_hand_repays_first_where_it_does_not_suffice() {
    let (story, in_hand) = in_debt_with_tokens_in_hand(may_borrow(6_000, 12_000));
    let most = 6_000;
    for tokens in [in_hand, in_hand + 1, most, most + 1, most + in_hand] {
        let said = said_to(&story.desk, tokens, now(&story));
        let limits = |said: Result<(), Refusal>| said.map_err(|refusal| refusal.limit());
        let story_said = prospect(&story.desk, tokens).map(|_| ());
        assert_eq!(limits(story_said), limits(said), "{tokens} with {in_hand} in hand");
    }
}

#[test]
fn a_request_that_passes_in_debt_is_said_to_be_borrowed_or_in_hand() {
    let (mut story, in_hand) = in_debt_with_tokens_in_hand(may_borrow(6_000, 12_000));
    let of = |in_hand, guaranteed, borrowed| {
        Ok(Sources { in_hand, guaranteed, borrowed }).map_err(|(): ()| Refusal::NoAllocation)
    };
    let (none, all) = (Tokens::ZERO, Tokens::new);
    assert_eq!(prospect(&story.desk, in_hand), of(all(in_hand), none, none));
    assert_eq!(prospect(&story.desk, 900), of(none, none, all(900)));
    let headroom = story.desk.headroom(&service("chat"), None).unwrap();
    let (debt, summary) = (headroom.debt.tokens, headroom.summary());
    assert_eq!(
        summary,
        format!(
            "{debt} tokens are owed, which the guarantee's refill of 6000 a minute repays first; 6000 could be used at \
             once all the same: borrowed, or drawn already"
        )
    );
    story.wait_ms(60_000);
    assert_eq!(prospect(&story.desk, 900), of(none, all(900), none));
}

#[test]
fn what_no_period_of_a_budget_has_never_passes_though_some_of_it_is_in_hand() {
    let mut story =
        Story::given_pool(600_000).and("chat", Terms { budgets: vec![daily(600)], ..terms(6_000) });
    for _ in 0..3 {
        story.reserve("chat", 40).unwrap();
    }
    assert!(story.desk.in_hand(&service("chat")) > Tokens::ZERO);
    assert_eq!(prospect(&story.desk, 601).unwrap_err().retry(), Retry::Never);
}

/// What happens to an allocation between two looks at it.
#[derive(Debug, Clone, Copy)]
enum What {
    Reserve(u64),
    Settle(u64),
    Wait(u64),
    Crash,
}

/// Who does something, and what.
type Step = (usize, What);

/// Whose prospects are looked at, and two who take from the same pool.
const SERVICES: [&str; 3] = ["chat", "other", "third"];
/// Larger than what most buckets of these allocations have.
const REQUEST_MAX: u64 = 2_000;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let what = prop_oneof![
        8 => (1_u64..900).prop_map(What::Reserve),
        4 => (0_u64..900).prop_map(What::Settle),
        2 => (2_000_u64..20_000).prop_map(What::Settle),
        6 => (0_u64..900).prop_map(What::Wait),
        2 => (900_u64..9_000).prop_map(What::Wait),
        1 => Just(What::Crash),
    ];
    proptest::collection::vec((0..SERVICES.len(), what), 1..50)
}

fn allocations() -> impl Strategy<Value = Terms> {
    let budgeted = |terms: Terms| Terms { budgets: vec![daily(5_000)], ..terms };
    let last = |terms: Terms| Terms { priority: Priority::Batch, ..terms };
    prop_oneof![
        Just(terms(6_000)),
        Just(may_borrow(6_000, 12_000)),
        Just(may_borrow(0, 600)),
        Just(may_borrow(600, 60_000)),
        Just(last(may_borrow(0, 40_000))),
        Just(last(may_borrow(600, 40_600))),
        Just(budgeted(terms(6_000))),
        Just(budgeted(may_borrow(600, 12_000))),
    ]
}

fn take(story: &mut Story, (who, what): Step, holds: &mut [Vec<HoldId>; SERVICES.len()]) {
    match what {
        What::Reserve(tokens) => holds[who].extend(story.reserve(SERVICES[who], tokens)),
        What::Settle(_) if holds[who].is_empty() => {}
        What::Settle(used) => assert!(story.settle(holds[who].remove(0), used)),
        What::Wait(ms) => story.wait_ms(ms),
        What::Crash => story.crash(),
    }
}

/// What is said of a request is what is said to it; and it passes when it is told to come again, or never. What is still held
/// by then counts in a budget's next period, too: so where something is held, what a budget says of that is not asked for.
fn check(story: &Story, tokens: u64, held: bool) -> Result<(), TestCaseError> {
    let (now, told) = (now(story), prospect(&story.desk, tokens));
    let said = said_to(&story.desk, tokens, now);
    prop_assert_eq!(told.is_ok(), said.is_ok(), "{} tokens: {:?} and {:?}", tokens, told, said);
    let (Err(told), Err(said)) = (told, said) else { return Ok(()) };
    let is_so = if said.retry() == Retry::Never {
        told.retry().instant().is_none()
    } else {
        told.retry() != Retry::Never
    };
    prop_assert!(is_so, "{:?} and {:?}", told, said);
    if let Some(at) = told.retry().instant().filter(|_| !held || told.limit() != Limit::Budget) {
        let later = said_to(&story.desk, tokens, at);
        prop_assert!(later.is_ok(), "{:?}, and then {:?}", told, later);
    }
    Ok(())
}

/// What is said to be available is what one request can have, and no more.
fn check_available(story: &Story) -> Result<(), TestCaseError> {
    let available = story.desk.headroom(&service("chat"), None).unwrap().available;
    let (most, now) = (available.tokens.get(), now(story));
    if (1..REQUEST_MAX).contains(&most) {
        let said = said_to(&story.desk, most, now);
        prop_assert!(said.is_ok(), "{:?}, and {:?}", available, said);
        prop_assert!(said_to(&story.desk, most + 1, now).is_err(), "{:?} and one more", available);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_of_a_request_is_what_is_said_to_it(
        terms in allocations(),
        burst in prop_oneof![Just(None), Just(Some(Approval::Guaranteed)), Just(Some(Approval::BestEffort))],
        steps in steps(),
        asked in proptest::collection::vec(1_u64..1_200, 3),
    ) {
        let terms = Terms { request_max: Tokens::new(REQUEST_MAX), ..terms };
        let mut story = Story::given_pool(30_000).and("chat", terms);
        story = story.and("other", may_borrow(600, 600)).and("third", may_borrow(1_000, 30_000));
        if let Some(approval) = burst {
            story.burst("launch", 3_000, (1_000, 6_000), approval);
        }
        let mut holds = <[Vec<HoldId>; SERVICES.len()]>::default();
        for step in steps {
            take(&mut story, step, &mut holds);
            check_available(&story)?;
            for tokens in &asked {
                check(&story, *tokens, !holds[0].is_empty())?;
            }
        }
    }
}
