//! What somebody sees who has just begun: the demo, what is missing, and that verification means something.

use std::time::Duration;

use anyhow::{Context, ensure};
use http::StatusCode;
use serde_json::json;
use weir_proto::codec::rfc3339;
use weir_runtime::clock::{Clock, SystemClock};
use weir_tests::caller::{Call, call};
use weir_tests::world::World;

use crate::exactness::FAST_EMULATOR;

/// What the issue of a first report within a minute allows.
const FIRST_REPORT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(500);

/// Weir's own settings are used but for the ports, so that the demo can run beside others.
pub(crate) async fn demo() -> anyhow::Result<()> {
    let world = World::begin("").await?;
    let port = weir_tests::process::free_port();
    let emulator = vec![("WEIR__EMULATOR__LISTEN".to_owned(), format!("127.0.0.1:{port}"))];
    let mut weir = world.start_with("demo", &["up", "--demo"], emulator)?;
    world.ready(world.ports.telemetry[0]).await.with_context(|| weir.log_tail())?;
    let services = [
        "agent-copilot",
        "catalogue-search",
        "launch-demo",
        "paper-digest",
        "shop-assistant",
        "ticket-triage",
    ];
    let reported = async {
        loop {
            let log = weir.log();
            let printed = services.iter().all(|service| log.contains(service)) && log.contains("cost (USD)");
            if printed && refused(&world).await.is_ok_and(|count| count > 0) {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let in_time = tokio::time::timeout(FIRST_REPORT, reported).await;
    in_time.with_context(|| format!("no report of all services: {}", weir.log_tail()))?;
    let page = world.get(world.ports.showback, "/").await?;
    ensure!(page.contains("shop-assistant"), "the page shows the same services");
    let headroom = world.expect(&["headroom", "launch-demo"])?;
    ensure!(headroom.contains("burst launch-week adds 60 000 tokens a minute"), "{headroom}");
    let verified = world.expect(&["verify", "--wait", "30"])?;
    ensure!(
        verified.contains("journal = ledger = tables, to the token"),
        "while traffic goes on: {verified}"
    );
    let status = weir.terminate()?;
    ensure!(status.success(), "the demo ended with {status}: {}", weir.log_tail());
    let verified = world.expect(&["verify", "--wait", "5"])?;
    ensure!(verified.contains("journal = ledger = tables, to the token"), "{verified}");
    Ok(())
}

/// How many requests of the service that runs into its limit were refused.
async fn refused(world: &World) -> anyhow::Result<u64> {
    let report = world.get(world.ports.showback, "/api/v1/report?format=json").await?;
    let report: serde_json::Value = serde_json::from_str(&report)?;
    let rows = report["rows"].as_array().context("a report has rows")?;
    let refused =
        rows.iter().filter(|row| row["service"] == "paper-digest").filter_map(|row| row["refused"].as_u64());
    Ok(refused.sum())
}

/// Settings that `weir init` writes, unedited: `weir up` names both things that must be filled in.
pub(crate) async fn what_is_missing() -> anyhow::Result<()> {
    let world = World::begin("").await?;
    let dir = world.path("fresh").display().to_string();
    world.expect(&["init", &dir])?;
    let (settings, again) = (format!("{dir}/weir.toml"), world.run(&["init", &dir])?);
    ensure!(!again.status.success(), "a second init must not write over the first");
    let output = world.run(&["up", "--config", &settings])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && said.contains("base_url") && said.contains("AZURE_OPENAI_API_KEY"),
        "{said}"
    );
    let misspelt = world.path("misspelt.toml");
    std::fs::write(&misspelt, "[gateway]\nlisten = 1\nlissten = \"a\"\n[quotta]\n")?;
    let output = world.run(&["up", "--config", &misspelt.display().to_string()])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("gateway.lissten") && said.contains("quotta"), "{said}");
    Ok(())
}

/// A folder that was right becomes wrong without an edit when an exception ends. Nobody is shut out for that.
pub(crate) async fn a_folder_that_is_right_no_more() -> anyhow::Result<()> {
    // Longer than a start takes.
    const LASTS: Duration = Duration::from_secs(15);
    let world = World::begin("").await?;
    let end = SystemClock.now().plus(LASTS);
    std::fs::write(world.path("policy/trial.toml"), format!("{BEYOND_THE_SANDBOX}end = {}\n", rfc3339(end)))?;
    let mut weir = world.start("weir", &["up"])?;
    world.ready(world.ports.telemetry[0]).await.with_context(|| weir.log_tail())?;
    let key = world.keys()?.remove(0);
    weir.kill();
    tokio::time::sleep(end.since(SystemClock.now())).await;
    let weir = world.start("weir", &["up"])?;
    world.ready(world.ports.telemetry[0]).await.with_context(|| weir.log_tail())?;
    let log = weir.log();
    ensure!(log.contains("the policy folder is not applied") && log.contains("trial.toml:"), "{log}");
    let answer = call(&world.gateway(), &chat(&key, 3)).await?;
    ensure!(answer.status == StatusCode::OK, "{}", answer.status);
    Ok(())
}

/// More than the sandbox for a service that nobody owns.
const BEYOND_THE_SANDBOX: &str = r#"
[[service]]
name = "tried"
team = "team-a"
allocation = [{ pool = "chat", baseline = 100_000, request_max = 10_000 }]
[[exception]]
name = "trial"
service = "tried"
waives = "sandbox-limit"
owner = "Ada"
reason = "A trial"
"#;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn chat(key: &str, output_tokens: u64) -> Call {
    Call {
        path: "/v1/chat/completions".to_owned(),
        key: key.to_owned(),
        service: "alpha".to_owned(),
        body: json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "How deep is it?"}], "max_tokens": 50}),
        fault: Some(format!("output-tokens={output_tokens}")),
        leave_after_frames: None,
        traceparent: None,
    }
}

/// A token more in the table than in the journal is found, named, and the exit code says so.
pub(crate) async fn verify_finds_a_token() -> anyhow::Result<()> {
    let world = World::begin(FAST_EMULATOR).await?;
    let weir = world.start("weir", &["up"])?;
    world.ready(world.ports.telemetry[0]).await.with_context(|| weir.log_tail())?;
    let keys = world.keys()?;
    for tokens in [3, 4, 5] {
        call(&world.gateway(), &chat(&keys[0], tokens)).await?;
    }
    world.expect(&["verify", "--wait", "30"])?;
    let url = std::fs::read_to_string(world.path(".weir/clickhouse.url"))?;
    let sql = "ALTER TABLE weir.usage_events UPDATE output_tokens = output_tokens + 1 WHERE output_tokens = 4 \
               SETTINGS mutations_sync = 1";
    world.post(url.trim(), sql).await?;
    let found = world.run(&["verify", "--wait", "2"])?;
    let said = String::from_utf8_lossy(&found.stdout);
    ensure!(
        found.status.code() == Some(1) && said.contains("12 out; the tables") && said.contains("13 out"),
        "{said}"
    );
    Ok(())
}

/// The id in the response's header finds the event, and the caller's trace is in it.
pub(crate) async fn request_finds_event() -> anyhow::Result<()> {
    let world = World::begin(FAST_EMULATOR).await?;
    let weir = world.start("weir", &["up"])?;
    world.ready(world.ports.telemetry[0]).await.with_context(|| weir.log_tail())?;
    let keys = world.keys()?;
    let mut traced = chat(&keys[1], 7);
    traced.traceparent = Some(format!("00-{TRACE_ID}-00f067aa0ba902b7-01"));
    let answer = call(&world.gateway(), &traced).await?;
    let id = answer.request_id.context("a response has x-weir-request-id")?;
    world.expect(&["verify", "--wait", "30"])?;
    let listed = world.expect(&["events", "--request", &id])?;
    ensure!(listed.contains("beta") && listed.contains(&id), "{listed}");
    let shown = world.get(world.ports.showback, &format!("/api/v1/events/{id}")).await?;
    ensure!(shown.contains(&format!("00-{TRACE_ID}-")), "{shown}");
    ensure!(!shown.contains("00f067aa0ba902b7"), "the attempt is a span of its own: {shown}");
    Ok(())
}
