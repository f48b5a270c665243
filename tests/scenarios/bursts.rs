//! A burst, from its request to its end, by what people type and what callers see.

use std::time::Duration;

use anyhow::{Context, ensure};

use crate::stage::{Caller, Shared, header, passed};

/// At the baseline a request waits for three minutes, and these for half an hour.
const REQUESTS: usize = 10;
const LIFTED: Duration = Duration::from_mins(2);
/// A request that takes nearly all that the baseline has at once.
const OUTPUT_TOKENS: u64 = 1_900;
const POLL: Duration = Duration::from_millis(500);
/// How long the burst counts that ends with nobody saying so, and how much longer it may take to be seen.
const BLINK: &str = "+15s";
const BLINK_TIMEOUT: Duration = Duration::from_mins(2);

pub(crate) async fn a_burst_lifts_the_limit_while_it_lasts_and_survives_a_restart(
    shared: Shared,
) -> anyhow::Result<()> {
    let mut stage = shared.enter().await?;
    let launch = stage.caller("launch", "stage-model")?;
    ensure!(passed(&launch.ask(OUTPUT_TOKENS).await?), "the baseline has room for one");
    ensure_refused(&launch).await?;

    stage.world.expect(&request("on-stage", "+1h"))?;
    let listed = stage.world.expect(&["burst", "list"])?;
    ensure!(listed.contains("on-stage") && listed.contains("requested"), "{listed}");
    ensure_refused(&launch).await.context("nobody has approved it")?;
    stage.world.expect(&["burst", "approve", "on-stage"])?;
    let listed = stage.world.expect(&["burst", "list"])?;
    ensure!(listed.contains("on-stage") && listed.contains("active"), "{listed}");
    ensure_lifted(&launch).await?;

    stage.restart().await?;
    let listed = stage.world.expect(&["burst", "list"])?;
    ensure!(listed.contains("on-stage") && listed.contains("active"), "after a restart: {listed}");
    ensure_lifted(&launch).await.context("after a restart")?;

    stage.world.expect(&["burst", "revoke", "on-stage", "--reason", "The curtain is down"])?;
    ensure_limit(&launch, "600").await.context("it was revoked")?;

    stage.world.expect(&request("blink", BLINK))?;
    stage.world.expect(&["burst", "approve", "blink"])?;
    let expired = async {
        while !stage.world.expect(&["burst", "list", "--all"])?.contains("expired") {
            tokio::time::sleep(POLL).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(BLINK_TIMEOUT, expired).await.context("a burst does not end")??;
    ensure_limit(&launch, "600").await.context("it is over")
}

/// Ten times 60,000 tokens a minute more, from now on.
fn request<'a>(name: &'a str, end: &'a str) -> [&'a str; 17] {
    [
        "burst",
        "request",
        "launch",
        "--pool",
        "stage",
        "--extra",
        "600000",
        "--start",
        "+0s",
        "--end",
        end,
        "--category",
        "demo",
        "--reason",
        "The launch is on stage",
        "--name",
        name,
    ]
}

async fn ensure_refused(launch: &Caller) -> anyhow::Result<()> {
    let answer = launch.ask(OUTPUT_TOKENS).await?;
    let body = String::from_utf8_lossy(&answer.body);
    ensure!(!passed(&answer) && body.contains("rate_limit_exceeded"), "{body}");
    let wait: u64 = header(&answer, "retry-after").parse()?;
    ensure!((60..=200).contains(&wait), "1,900 tokens at ten a second are there in {wait} s");
    Ok(())
}

/// Ten requests pass one after the other, each waiting as it is told.
async fn ensure_lifted(launch: &Caller) -> anyhow::Result<()> {
    let passing = async {
        for _ in 0..REQUESTS {
            loop {
                let answer = launch.ask(OUTPUT_TOKENS).await?;
                if passed(&answer) {
                    break;
                }
                let wait = header(&answer, "retry-after-ms").parse().context("a refusal says when")?;
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LIFTED, passing).await.context("the limit is not lifted")??;
    ensure_limit(launch, "600600").await
}

async fn ensure_limit(launch: &Caller, expected: &str) -> anyhow::Result<()> {
    let answer = launch.ask(OUTPUT_TOKENS).await?;
    let limit = header(&answer, "x-ratelimit-limit-tokens");
    ensure!(limit == expected, "the limit is {limit} tokens a minute, not {expected}");
    Ok(())
}
