//! What is said about policies that are not sound, or that surprise.

use super::sample::{NOW, budget, burst, day, exception, id, orphan, policy, pool, price, service, usd};
use super::*;
use crate::amount::Money;
use crate::budget::{BudgetKind, BudgetLimit};
use crate::burst::{Approval, GrantedBurst};
use crate::price::Currency;
use crate::time::Window;

mod fits;
mod plans;

/// What is wrong with the sample policy after a change.
fn found(change: impl FnOnce(&mut Policy)) -> Vec<String> {
    let mut policy = policy();
    change(&mut policy);
    problems(&policy).iter().map(ToString::to_string).collect()
}

/// What is wrong with it after a change of the first service's terms.
fn found_in_terms(change: impl FnOnce(&mut Terms)) -> Vec<String> {
    found(|policy| change(&mut policy.services[0].allocations[0].terms))
}

fn surprises(change: impl FnOnce(&mut Policy)) -> Vec<String> {
    let mut policy = policy();
    change(&mut policy);
    assert_eq!(problems(&policy), [], "what surprises is not wrong");
    warnings(&policy, NOW).iter().map(ToString::to_string).collect()
}

/// A burst of some service, from an hour ago until so many days from now.
fn burst_of(service: &str, approval: Approval, days: u64) -> GrantedBurst {
    let mut granted = GrantedBurst { approval, ..burst(600) };
    granted.burst.id = id(&format!("of-{service}"));
    granted.burst.service = id(service);
    granted.burst.window = Window::try_new(NOW.minus(Duration::from_hours(1)), day(days)).unwrap();
    granted
}

#[test]
fn a_sound_policy_has_no_problem_and_no_surprise() {
    assert_eq!(found(|_| {}), [""; 0]);
    assert_eq!(surprises(|_| {}), [""; 0]);
}

#[test]
fn what_is_named_must_be_defined_and_only_once() {
    let problems = found(|policy| {
        policy.services.push(Service { team: id("nobody"), ..service("chat", 0) });
        policy.services[1].allocations[0].pool = id("o1");
        policy.exceptions = vec![exception("late", "batch", 1)];
        policy.bursts[0].burst.pool = id("o1");
        policy.bursts.push(burst(1));
    });
    assert_eq!(
        problems,
        [
            "service chat: is defined twice; keep one of them",
            "burst launch: is defined twice; keep one of them",
            "service search, allocation in pool o1: the pool is not defined",
            "service chat: belongs to team nobody, which is not defined",
            "burst launch: service chat has no allocation in pool o1; define one first",
            "exception late: is for service batch, which is not defined",
        ]
    );
}

#[test]
fn a_pool_has_capacity_and_every_model_a_deployment() {
    let problems = found(|policy| {
        let gpt = &mut policy.pools[0];
        gpt.capacity = TokensPerMinute::ZERO;
        gpt.thresholds = Thresholds { critical_percent: 30, standard_percent: 20, batch_percent: 101 };
        gpt.deployments[0].model = id("gpt-5");
        let twice = gpt.deployments[0].clone();
        gpt.deployments.push(twice);
        policy.pools.push(pool("other", 1, "gpt-4o"));
    });
    assert_eq!(
        problems,
        [
            "pool gpt: has no capacity; state its tokens per minute",
            "pool gpt: thresholds are 30 % for critical, 20 % for standard and 101 % for batch; \
             they must not fall in this order, nor be more than 100 %",
            "pool gpt: has no deployment that serves model gpt-4o",
            "pool gpt: deployment gpt-4o serves model gpt-5, which the pool does not list",
            "pool gpt: deployment gpt-4o serves model gpt-5, which the pool does not list",
            "pool gpt: deployment gpt-4o of upstream eastus is stated twice; keep one of them",
            "pool other: serves model gpt-4o, which pool gpt serves already",
        ]
    );
}

#[test]
fn every_number_of_an_allocation_must_make_sense() {
    let place = "service chat, allocation in pool gpt:";
    let problems = found_in_terms(|terms| {
        terms.ceiling = TokensPerMinute::new(39_999);
        terms.request_max = Tokens::ZERO;
        terms.lending = Some(TokensPerMinute::new(40_001));
        terms.requests = Some(RequestsPerMinute::ZERO);
        terms.in_flight_max = Some(0);
        terms.failure = FailureMode::Open { tokens_per_outage: Tokens::ZERO };
        terms.priority = Priority::Critical;
        terms.lapse = Some(Lapse { at: NOW, to: TokensPerMinute::ZERO });
    });
    assert_eq!(
        problems,
        [
            "priority is critical, but the service's is standard; a service has one priority everywhere",
            "ceiling 39999 is less than baseline 40000; make it as much, or more to let it borrow",
            "request_max 0 must be from 1 to 1099511627775 tokens",
            "lending 40001 is more than baseline 40000, and only that can be lent; lower it",
            "requests_per_minute must be at least 1; leave it out if requests are not limited",
            "in_flight_max must be at least 1; leave it out if it is not limited",
            "tokens_per_outage must be at least 1; choose failure mode closed to admit nothing",
            "a lapse is not stated: it follows from an exception that waives the sandbox limit",
        ]
        .map(|message| format!("{place} {message}"))
    );
}

#[test]
fn a_request_may_be_as_large_as_a_hold_can_say() {
    assert_eq!(found_in_terms(|terms| terms.request_max = REQUEST_TOKENS_MAX), [""; 0]);
    assert_eq!(
        found_in_terms(|terms| terms.request_max = REQUEST_TOKENS_MAX + Tokens::new(1)),
        [
            "service chat, allocation in pool gpt: request_max 1099511627776 must be from 1 to 1099511627775 tokens"
        ]
    );
}

#[test]
fn where_a_pool_limits_requests_every_allocation_states_its_own() {
    let problems = found(|policy| {
        policy.pools[0].requests = Some(RequestsPerMinute::new(100));
        policy.services[0].allocations[0].terms.requests = Some(RequestsPerMinute::new(60));
    });
    assert_eq!(
        problems,
        [
            "service search, allocation in pool gpt: states no requests a minute, which the pool limits; state them"
        ]
    );
}

#[test]
fn nobody_has_the_name_that_is_charged_for_those_nobody_knows() {
    let problems = found(|policy| policy.services.push(service("without-allocation", 1)));
    let right = "has the name that pools charge for services they do not know; choose another";
    assert_eq!(problems, [format!("service without-allocation: {right}")]);
}

#[test]
fn only_a_soft_budget_tells_beyond_all_of_it_and_within_reason() {
    let told_at = |kind, percent| {
        found_in_terms(|terms| {
            let told = Budget { kind, thresholds: vec![100, percent], ..budget("monthly", 9) };
            terms.budgets = vec![told];
        })
    };
    assert_eq!(told_at(BudgetKind::Soft, 120), [""; 0]);
    assert_eq!(told_at(BudgetKind::Soft, 200), [""; 0]);
    let message = |percent, kind: &str, max| {
        let place = "service chat, allocation in pool gpt, budget monthly";
        format!(
            "{place}: thresholds [100, {percent}] must rise, each once, and be percentages from 1 to {max}, \
             as the budget is {kind}"
        )
    };
    assert_eq!(told_at(BudgetKind::Soft, 201), [message(201, "soft", 200)]);
    assert_eq!(told_at(BudgetKind::Hard, 120), [message(120, "hard", 100)]);
}

#[test]
fn budgets_are_told_apart_have_a_limit_and_thresholds_that_rise() {
    let problems = found_in_terms(|terms| {
        let nothing = Budget { thresholds: vec![0, 50], ..budget("monthly", 0) };
        let twice = Budget { thresholds: vec![80, 80], ..budget("monthly", 9) };
        let falling = Budget { thresholds: vec![100, 50], ..budget("other", 9) };
        terms.budgets = vec![nothing, twice, falling];
    });
    assert_eq!(
        problems,
        [
            "monthly: limit must be more than nothing",
            "monthly: thresholds [0, 50] must rise, each once, and be percentages from 1 to 100, as the budget is hard",
            "monthly: is stated twice; keep one of them",
            "monthly: thresholds [80, 80] must rise, each once, and be percentages from 1 to 100, as the budget is hard",
            "other: thresholds [100, 50] must rise, each once, and be percentages from 1 to 100, as the budget is hard",
        ]
        .map(|message| format!("service chat, allocation in pool gpt, budget {message}"))
    );
}

#[test]
fn all_money_is_in_one_currency_and_a_price_is_stated_once() {
    let euro = Currency::try_new("EUR").unwrap();
    let problems = found(|policy| {
        policy.prices.push(price(3, Timestamp::EPOCH));
        policy.prices.push(crate::price::Price { currency: euro, ..price(3, NOW) });
        let limits = [BudgetLimit::Money(Money::new(1), usd()), BudgetLimit::Money(Money::new(1), euro)];
        let budgets =
            limits.map(|limit| Budget { limit, ..budget(if limit == limits[0] { "a" } else { "b" }, 1) });
        policy.services[0].allocations[0].terms.budgets = budgets.to_vec();
    });
    assert_eq!(
        problems,
        [
            "price of model gpt-4o: from 1970-01-01T00:00:00Z on is stated twice; keep one of them",
            "price of model gpt-4o: is in EUR, but price of model gpt-4o is in USD; use one currency for all",
            "service chat, allocation in pool gpt, budget b: is in EUR, but price of model gpt-4o is in USD; \
             use one currency for all",
        ]
    );
}

#[test]
fn bursts_and_exceptions_say_who_and_why() {
    let problems = found(|policy| {
        let granted = &mut policy.bursts[0];
        granted.approver = " ".into();
        (granted.burst.requester, granted.burst.reason) = (String::new(), String::new());
        granted.burst.extra = TokensPerMinute::ZERO;
        let (owner, reason, waives) = (String::new(), "\n".into(), Waiver::Other(String::new()));
        policy.exceptions = vec![Exception { waives, owner, reason, ..exception("late", "chat", 1) }];
        policy.services[0].regions = vec!["westeurope".into(), String::new()];
    });
    assert_eq!(
        problems,
        [
            "service chat: a region has no name; write it as its cloud does, such as westeurope",
            "burst launch: extra is 0 tokens a minute; it must be from 1 to 1000000000000",
            "burst launch: names nobody who asked for it; state requester",
            "burst launch: says no reason; state reason",
            "burst launch: names nobody who approved it; state approved_by",
            "exception late: names nobody who answers for it; state owner",
            "exception late: says no reason; state reason",
            "exception late: does not say what it deviates from; state waives",
        ]
    );
}

#[test]
fn a_request_that_its_allocation_cannot_carry_is_warned_of() {
    let warnings = surprises(|policy| {
        let longer = Model { name: id("gpt-4o-mini"), ..policy.pools[0].models[0].clone() };
        policy.pools[0].models.push(longer);
        let deployed =
            Deployment { model: id("gpt-4o-mini"), id: id("mini"), ..policy.pools[0].deployments[0].clone() };
        policy.pools[0].deployments.push(deployed);
        for model in &mut policy.pools[0].models {
            model.output_max = Tokens::new(16_384);
        }
        policy.services[1].allocations[0].terms.request_max = Tokens::new(20_000);
    });
    assert_eq!(
        warnings,
        [
            "service chat, allocation in pool gpt, request_max: requests for gpt-4o or gpt-4o-mini without max_tokens are refused: \
             answers may take 16384 tokens, and request_max is 100"
        ]
    );
}

#[test]
fn a_pool_of_which_large_requests_keep_most_is_warned_of() {
    let with = |tokens| {
        surprises(|policy| policy.services[1].allocations[0].terms.request_max = Tokens::new(tokens))
    };
    assert_eq!(with(23_300), [""; 0], "ten seconds of chat's 40,000 a minute, and these, are half of 60,000");
    assert_eq!(
        with(24_000),
        [
            "pool gpt: 30666 of the 60000 tokens that it holds are kept for guarantees, which are as deep as their largest \
          request: the more, the less is there to borrow; lower request_max, such as 24000 of service search"
        ]
    );
}

#[test]
fn a_hard_budget_in_money_that_leaves_a_model_free_is_warned_of() {
    let with = |change: fn(&mut Policy)| {
        surprises(|policy| {
            policy.services[0].allocations[0].terms.budgets = vec![budget("monthly", 100)];
            change(policy);
        })
    };
    assert_eq!(with(|_| ()), [""; 0]);
    let warning = "service chat, allocation in pool gpt, budget monthly: does not limit model gpt-4o, which has no \
                   price now; state one, of 0 if it costs nothing";
    assert_eq!(with(|policy| policy.prices.clear()), [warning]);
    assert_eq!(with(|policy| policy.prices = vec![price(2, day(1))]), [warning], "nor is it priced yet");
    let told = |policy: &mut Policy| {
        policy.prices.clear();
        policy.services[0].allocations[0].terms.budgets[0].kind = BudgetKind::Soft;
    };
    assert_eq!(with(told), [""; 0], "it limits nothing anyway");
}

#[test]
fn a_pool_that_is_guaranteed_away_is_warned_of() {
    assert_eq!(surprises(|policy| policy.services[0] = service("chat", 44_000)), [""; 0]);
    assert_eq!(
        surprises(|policy| policy.services[0] = service("chat", 44_001)),
        [
            "pool gpt: 54001 of its 60000 tokens a minute are guaranteed, which is over 90 % and leaves little for bursts"
        ]
    );
}

#[test]
fn what_ends_soon_or_is_over_is_called_to_mind() {
    let warnings = surprises(|policy| {
        policy.services.push(orphan("old", 0));
        policy.exceptions =
            vec![exception("over", "old", 0), exception("soon", "old", 14), exception("later", "old", 15)];
        policy.bursts[0].burst.window = Window::try_new(NOW.minus(Duration::from_hours(1)), NOW).unwrap();
    });
    assert_eq!(
        warnings,
        [
            "burst launch: is over since 2025-06-15T15:06:40Z; take it out of the policy",
            "exception over: has ended at 2025-06-15T15:06:40Z; take it out of the policy",
            "exception soon: ends at 2025-06-29T15:06:40Z, and what it allows ends with it; grace answers for it",
        ]
    );
}
