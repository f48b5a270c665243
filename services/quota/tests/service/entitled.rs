//! What headroom says of entitlement and of debt: one account of what holds now.

use std::time::Duration;

use weir_proto::governance::v1 as governance;
use weir_proto::quota::v1::{DebtRepayment, Limit, Sources};

use crate::support::*;

#[tokio::test]
async fn while_a_burst_lasts_headroom_is_of_the_burst_and_after_it_of_the_baseline() {
    let service = Service::start().await;
    let bursting = governance::Policy {
        bursts: vec![burst(12_000, (100, 200))],
        ..policy_with(|allocation| allocation.ceiling_per_minute = 12_000)
    };
    service.apply(bursting).await;
    // Baseline, bursts, guarantee, ceiling, lending at most, lent.
    let shown = async || {
        let told = service.headroom("chat").await;
        let rate = told.standing.unwrap().rate_per_minute;
        let bursts = (told.guaranteed_bursts_per_minute, told.best_effort_bursts_per_minute);
        assert_eq!(rate, told.baseline_per_minute + bursts.0, "they add up");
        [
            told.baseline_per_minute,
            bursts.0,
            rate,
            told.ceiling_per_minute,
            told.lending_per_minute,
            told.lent_per_minute,
        ]
    };
    assert_eq!(shown().await, [6_000, 0, 6_000, 12_000, 6_000, 6_000]);
    service.clock.advance(Duration::from_secs(199));
    assert_eq!(shown().await, [6_000, 12_000, 18_000, 24_000, 18_000, 18_000]);
    service.clock.advance(Duration::from_secs(1));
    assert_eq!(shown().await, [6_000, 0, 6_000, 12_000, 6_000, 6_000]);
    service.stop().await;
}

#[tokio::test]
async fn in_debt_it_is_told_what_repays_it_and_where_a_request_that_passes_has_its_tokens_from() {
    let service = Service::start().await;
    service.apply(policy_with(|allocation| allocation.ceiling_per_minute = 12_000)).await;
    assert_eq!(service.headroom("chat").await.repayment, None, "nothing is owed");
    let mut client = service.admission().await;
    let hold = service.admit(&mut client, 1, 1_000).await;
    client.settle(settle(&hold, 4_000)).await.unwrap();
    let told = service.headroom_for("chat", 900).await;
    assert_eq!(told.debt, 3_000);
    let repayment = DebtRepayment {
        guarantee_owes: 3_000,
        guarantee_per_minute: 6_000,
        borrowing_owes: 0,
        borrowing_per_minute: 6_000,
        repaid_after: Some(prost_types::Duration { seconds: 30, nanos: 0 }),
    };
    assert_eq!(told.repayment, Some(repayment));
    let prospect = told.prospect.unwrap();
    assert_eq!(
        (prospect.refused, prospect.sources),
        (None, Some(Sources { borrowed: 900, ..Sources::default() }))
    );
    assert!(
        told.summary.contains("3000 tokens are owed") && told.summary.contains("borrowed"),
        "{}",
        told.summary
    );
    service.admit(&mut client, 2, 900).await;
    service.stop().await;
}

fn daily(tokens: u64) -> governance::Budget {
    governance::Budget {
        id: "daily".into(),
        limit: Some(governance::budget::Limit::Tokens(tokens)),
        period: governance::Period::Day.into(),
        zone: "UTC".into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_plan_warns_of_a_budget_that_is_used_up_already_and_changes_nothing() {
    let service = Service::start().await;
    let with = |tokens| policy_with(|allocation| allocation.budgets = vec![daily(tokens)]);
    service.apply(with(1_000)).await;
    let mut client = service.admission().await;
    let hold = service.admit(&mut client, 1, 700).await;
    client.settle(settle(&hold, 700)).await.unwrap();
    let mut governance = service.governance().await;
    let plan = |tokens| governance::ApplyPolicyRequest { dry_run: true, ..apply(with(tokens)) };
    let mut warned = async |tokens| {
        let told = governance.apply_policy(plan(tokens)).await.unwrap().into_inner();
        told.warnings.into_iter().filter(|warning| warning.contains("budget daily")).collect::<Vec<_>>()
    };
    assert_eq!(warned(1_000).await, [""; 0], "it is so already");
    assert_eq!(warned(701).await, [""; 0]);
    let told = warned(700).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let wanted = "service chat, allocation in pool gpt, budget daily: 700 tokens are used in its period already, and it is \
                  700 tokens: every request is refused until ";
    assert!(told[0].starts_with(wanted), "{told:?}");
    service.admit(&mut client, 2, 300).await;
    let applied = governance.apply_policy(apply(with(600))).await.unwrap().into_inner();
    assert!(applied.warnings.iter().any(|warning| warning.contains("1000 tokens are used")), "{applied:?}");
    assert_eq!(refused(&mut client, reserve(&service.reservation(3), 1)).await.limit(), Limit::Budget);
    service.stop().await;
}
