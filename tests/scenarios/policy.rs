//! Policy goes out as files and comes in again as the same policy.

use std::process::Output;

use anyhow::ensure;

use crate::stage::Shared;

/// What a plan with changes ends with.
const CHANGES: i32 = 2;

pub(crate) async fn export_of_an_applied_policy_plans_to_no_change(shared: Shared) -> anyhow::Result<()> {
    let stage = shared.enter().await?;
    let world = &stage.world;
    let plan = |dir: &str| world.run(&["plan", "-f", dir, "--detailed-exitcode"]);
    world.expect(&["export", "-o", "exported"])?;
    ensure_no_change(&plan("exported")?)?;

    std::fs::create_dir(world.path("in-one"))?;
    let file = world.path("in-one/policy.toml");
    let policy = world.expect(&["export"])?;
    std::fs::write(&file, &policy)?;
    ensure_no_change(&plan("in-one")?)?;

    ensure!(policy.matches("request_max = 15_000").count() == 1, "{policy}");
    std::fs::write(&file, policy.replace("request_max = 15_000", "request_max = 15_001"))?;
    let changed = plan("in-one")?;
    let said = String::from_utf8_lossy(&changed.stdout);
    ensure!(
        changed.status.code() == Some(CHANGES) && said.contains("owner"),
        "one number was changed: {said}"
    );
    Ok(())
}

fn ensure_no_change(output: &Output) -> anyhow::Result<()> {
    let (said, problem) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.code() == Some(0) && said.contains("no change"), "{said}{problem}");
    Ok(())
}
