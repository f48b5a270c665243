//! A policy is applied whole or not at all, whichever append the service dies at.

use weir_proto::governance::v1 as governance;
use weir_proto::record::Topic;

use crate::support::*;

const POOLS: [&str; 3] = ["gpt", "o1", "small"];

fn held(pool: &str, baseline_per_minute: u64) -> governance::Allocation {
    governance::Allocation { pool: pool.into(), baseline_per_minute, request_max: 100, ..Default::default() }
}

/// Services in three pools each: so many that what is intended has several parts.
fn organisation(capacity: u64, services: std::ops::Range<u64>, baseline: u64) -> governance::Policy {
    let pool = |(number, name): (usize, &&str)| {
        let mut pool = policy().pools.remove(0);
        let model = format!("model-{number}");
        pool.deployments[0].model.clone_from(&model);
        pool.models[0].name = model;
        governance::Pool { id: (*name).into(), capacity_per_minute: capacity, ..pool }
    };
    let service = |number: u64| {
        let allocations = POOLS.iter().map(|pool| held(pool, baseline + number)).collect();
        governance::Service { allocations, ..service(&format!("service-{number:02}"), 1, 1) }
    };
    governance::Policy {
        pools: POOLS.iter().enumerate().map(pool).collect(),
        services: services.map(service).collect(),
        prices: vec![],
        ..policy()
    }
}

async fn export(service: &Service) -> governance::Policy {
    let request = governance::ExportPolicyRequest::default();
    service.governance().await.export_policy(request).await.unwrap().into_inner().policy.unwrap()
}

/// What each pool itself says of a service that both policies have.
async fn baselines(service: &Service) -> Vec<u64> {
    let request =
        weir_proto::quota::v1::GetHeadroomRequest { service: "service-05".into(), ..Default::default() };
    let reply = service.admission().await.get_headroom(request).await.unwrap().into_inner();
    reply.allocations.iter().map(|allocation| allocation.baseline_per_minute).collect()
}

/// Lets the service die at an append of a policy. What it was before and should be, and what it is after a new start; none
/// if there are fewer appends.
async fn dies_at(passing: usize, appended: usize) -> Option<(bool, bool)> {
    let service = Service::start().await;
    service.apply(organisation(60_000, 0..12, 100)).await;
    let before = export(&service).await;
    let faults = service.journal.faults();
    faults.lose_appends_after(Topic::Quota, passing, appended);
    let applied = service.governance().await.apply_policy(apply(organisation(50_000, 4..20, 200))).await;
    let setup = service.kill().await;
    if !faults.mend_appends() {
        applied.unwrap();
        return None;
    }
    applied.unwrap_err();
    let service = Service::start_with(setup).await;
    let (after, of_pools) = (export(&service).await, baselines(&service).await);
    let wanted = organisation(50_000, 4..20, 200);
    let whole =
        after.services.len() == 16 && after.pools.iter().all(|pool| pool.capacity_per_minute == 50_000);
    let whole = whole && of_pools == [205; 3];
    let nothing = after == before && of_pools == [105; 3];
    let changes = service.governance().await.apply_policy(apply(wanted)).await.unwrap().into_inner().changes;
    assert_eq!(whole, changes.is_empty(), "{passing} appends, {appended} records: {changes:?}");
    service.stop().await;
    Some((nothing, whole))
}

#[tokio::test]
async fn a_policy_is_applied_whole_or_not_at_all_whichever_append_the_service_dies_at() {
    let mut ends = Vec::new();
    for appended in [0, 1, 5, 17, usize::MAX] {
        for passing in 0.. {
            let Some((nothing, whole)) = dies_at(passing, appended).await else { break };
            assert!(nothing != whole, "torn: {passing} appends passed, {appended} records of the next");
            ends.push(whole);
        }
    }
    assert!(ends.contains(&true) && ends.contains(&false) && ends.len() > 15, "{ends:?}");
}

#[tokio::test]
async fn what_is_left_of_a_policy_is_made_without_a_new_start_once_the_journal_is_back() {
    for appended in [0, 3] {
        let service = Service::start().await;
        service.apply(organisation(60_000, 0..12, 100)).await;
        service.journal.faults().lose_appends_after(Topic::Quota, 2, appended);
        let mut client = service.governance().await;
        let wanted = organisation(50_000, 4..20, 200);
        let status = client.apply_policy(apply(wanted.clone())).await.unwrap_err();
        assert!(status.message().contains("all of it as soon as the journal takes it"), "{status}");
        assert!(service.journal.faults().mend_appends());
        let again = until_decided!(client.apply_policy(apply(wanted.clone())));
        assert_eq!(again.changes, Vec::<String>::new(), "it was made before anything else was decided");
        assert_eq!(baselines(&service).await, [205; 3]);
        service.stop().await;
    }
}
