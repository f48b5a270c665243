//! A policy is tried on what callers did a moment ago, before anybody is refused by it.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use weir_tests::world::World;

use crate::stage::{Caller, Shared, passed};

/// Requests of `owner`, all of which its guarantee covers, also after the scenario that has taken most of it.
const REQUESTS: u64 = 3;
const OUTPUT_TOKENS: u64 = 120;
/// How long usage may take to get into the journal.
const ARRIVED: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);

pub(crate) async fn a_candidate_shows_whom_it_would_refuse_and_refuses_nobody(
    shared: Shared,
) -> anyhow::Result<()> {
    let stage = shared.enter().await?;
    // Its own name, because the usual one is made of the second, in which another scenario may have made one.
    let key = stage.world.expect(&["keys", "create", "owner", "--name", "owner-tried"])?.trim().to_owned();
    let (gateway, service) = (stage.world.gateway(), "owner".to_owned());
    let owner = Caller { gateway, key, service, model: "shared-model" };
    for number in 0..REQUESTS {
        ensure!(
            passed(&owner.ask(OUTPUT_TOKENS).await?),
            "request {number} within the guarantee was refused"
        );
    }
    let world = &stage.world;
    let stands = world.expect(&["export"])?;
    std::fs::create_dir(world.path("tried"))?;
    let file = world.path("tried/policy.toml");
    ensure!(stands.matches("request_max = 15_000").count() == 1, "{stands}");
    std::fs::write(&file, stands.replace("request_max = 15_000", "request_max = 100"))?;

    let arrived = async {
        loop {
            let found = simulated(world)?;
            if asked(&found)? >= REQUESTS {
                return anyhow::Ok(found);
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let found = tokio::time::timeout(ARRIVED, arrived).await.context("usage is not in the journal")??;
    let (now, tried) = (&found["now"], &found["candidate"]);
    ensure!(now["refused"]["requests"] == 0, "as it stands: {now}");
    ensure!(tried["refused"] == tried["asked"] && tried["by_limit"][0]["limit"] == "request_size", "{tried}");

    let failing = world.run(&["simulate", "-f", "tried", "--from", "-1h", "--fail-on-refusals"])?;
    let said = String::from_utf8_lossy(&failing.stdout);
    ensure!(failing.status.code() == Some(1), "a check fails where somebody is refused: {said}");
    ensure!(said.contains("owner in pool shared would have been refused"), "{said}");
    ensure!(passed(&owner.ask(OUTPUT_TOKENS).await?), "nothing was applied");

    std::fs::write(&file, stands.replace("request_max = 15_000", "request_max = 15_000_000"))?;
    let [planned, tried] = [&["plan", "-f", "tried"][..], &["simulate", "-f", "tried"]].map(|arguments| {
        let output = world.run(arguments)?;
        ensure!(output.status.code() == Some(1), "{arguments:?}");
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    });
    let (planned, tried) = (planned?, tried?);
    ensure!(planned.contains("policy.toml:") && tried == planned, "{planned}\nis not\n{tried}");
    Ok(())
}

/// What was found of `owner`; nothing if it has asked nothing.
fn simulated(world: &World) -> anyhow::Result<Value> {
    let text = world.expect(&["simulate", "--policy", "tried", "--from", "-1h", "--format", "json"])?;
    let report: Value = serde_json::from_str(&text)?;
    let mut allocations = report["allocations"].as_array().context("a report has allocations")?.iter();
    Ok(allocations.find(|found| found["service"] == "owner").cloned().unwrap_or_default())
}

fn asked(found: &Value) -> anyhow::Result<u64> {
    if found.is_null() {
        return Ok(0);
    }
    found["candidate"]["asked"]["requests"].as_u64().context("what was asked is a number")
}
