//! The roles of `compose.yaml`, started on this machine with the very settings that are mounted there.
//! Only names of other containers, ports and the place of secrets are changed.

use anyhow::Context;
use weir_tests::engine;
use weir_tests::process::{Process, free_port};
use weir_tests::world::World;

use crate::{compose, deploy, topics};

/// Starts every role against a broker and waits until it is ready.
pub(crate) async fn check(bootstrap: String) -> anyhow::Result<()> {
    topics::make(&bootstrap, &topics::asked_for()?).await?;
    let world = World::begin("").await?;
    let clickhouse = engine::start(world.path("engine/data")).await?;
    for secret in ["clickhouse_password", "quota_token", "azure_openai_key"] {
        std::fs::write(world.path(secret), format!("{secret}-of-this-test\n"))?;
    }
    let quota_port = free_port();
    let mut running: Vec<(String, Process)> = Vec::new();
    for container in compose::containers()? {
        if container.arguments[0] == "apply" {
            continue;
        }
        let telemetry_port = free_port();
        let settings = std::fs::read_to_string(deploy().join("weir.toml"))?
            .replace("kafka:9092", &bootstrap)
            .replace("http://clickhouse:8123", &clickhouse.url())
            .replace("0.0.0.0:7070", &format!("127.0.0.1:{quota_port}"))
            .replace("quota:7070", &format!("127.0.0.1:{quota_port}"))
            .replace("0.0.0.0:9464", &format!("127.0.0.1:{telemetry_port}"))
            .replace("0.0.0.0:8080", "127.0.0.1:0")
            .replace("0.0.0.0:8081", "127.0.0.1:0")
            .replace("/run/secrets", &world.dir.path().display().to_string());
        let file = world.path(&format!("{}.toml", container.name));
        std::fs::write(&file, settings)?;
        let file = file.display().to_string();
        let here = |argument: &String| argument.replace("/etc/weir/weir.toml", &file);
        let arguments: Vec<String> = container.arguments.iter().map(here).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let process = world.start_with(&container.name, &arguments, container.environment)?;
        let ready = world.ready(telemetry_port).await;
        ready.with_context(|| format!("{}: {}", container.name, process.log()))?;
        running.push((container.name, process));
    }
    for (name, process) in running.iter_mut().rev() {
        let status = process.terminate()?;
        anyhow::ensure!(status.success(), "{name} ended with {status}: {}", process.log());
    }
    Ok(())
}
