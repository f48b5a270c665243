//! A running Weir that several scenarios share, with limits small enough to run into.

use std::sync::Arc;

use anyhow::{Context, ensure};
use http::StatusCode;
use serde_json::json;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use weir_tests::caller::{Answer, Call, call};
use weir_tests::process::Process;
use weir_tests::world::World;

/// Answers at once, however long they are: these scenarios are about what is admitted.
const EMULATOR: &str = r#"
[[emulator.deployments]]
name = "stage-model"
pacing = { first_token_ms = 0.0, token_gap_ms = 0.0, jitter_share = 0.0, tokens_per_chunk = 1 }
[[emulator.deployments]]
name = "shared-model"
pacing = { first_token_ms = 0.0, token_gap_ms = 0.0, jitter_share = 0.0, tokens_per_chunk = 1 }
"#;

/// `launch` has next to nothing; `owner` and `borrower` share a pool; `everything` says all that can be said.
const POLICY: &str = include_str!("stage.toml");

/// The stage, empty until the first scenario sets it.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Option<Stage>>>);

/// What is on it.
pub(crate) struct Stage {
    pub(crate) world: World,
    weir: Process,
}

impl Shared {
    /// The stage, for one scenario at a time.
    pub(crate) async fn enter(&self) -> anyhow::Result<MappedMutexGuard<'_, Stage>> {
        let mut stage = self.0.lock().await;
        if stage.is_none() {
            *stage = Some(Stage::set().await?);
        }
        MutexGuard::try_map(stage, Option::as_mut).ok().context("the stage was set just now")
    }
}

impl Stage {
    async fn set() -> anyhow::Result<Self> {
        let world = World::begin(EMULATOR).await?;
        std::fs::write(world.path("policy/stage.toml"), POLICY)?;
        let weir = world.start("weir", &["up"])?;
        let stage = Self { world, weir };
        stage.ready().await?;
        Ok(stage)
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let ready = self.world.ready(self.world.ports.telemetry[0]).await;
        ready.with_context(|| self.weir.log_tail())
    }

    /// SIGKILL, and a new start.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        self.weir.kill();
        self.weir = self.world.start("weir", &["up"])?;
        self.ready().await
    }

    /// A caller of a service.
    pub(crate) fn caller(&self, service: &str, model: &'static str) -> anyhow::Result<Caller> {
        let key = self.world.expect(&["keys", "create", service])?.trim().to_owned();
        Ok(Caller { gateway: self.world.gateway(), key, service: service.to_owned(), model })
    }
}

/// Somebody who calls as one service.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) gateway: String,
    pub(crate) key: String,
    pub(crate) service: String,
    pub(crate) model: &'static str,
}

impl Caller {
    /// Asks for an answer of so many tokens, and gets it or a refusal.
    pub(crate) async fn ask(&self, output_tokens: u64) -> anyhow::Result<Answer> {
        let (model, service) = (self.model, self.service.clone());
        let messages = json!([{"role": "user", "content": "How deep is it?"}]);
        let asked = Call {
            path: "/v1/chat/completions".to_owned(),
            key: self.key.clone(),
            service,
            body: json!({"model": model, "messages": messages, "max_tokens": output_tokens}),
            fault: Some(format!("output-tokens={output_tokens}")),
            traceparent: None,
            leave_after_frames: None,
        };
        let answer = call(&self.gateway, &asked).await?;
        let (status, body) = (answer.status, String::from_utf8_lossy(&answer.body));
        ensure!(matches!(status, StatusCode::OK | StatusCode::TOO_MANY_REQUESTS), "{status}: {body}");
        Ok(answer)
    }
}

/// Whether it was let through.
pub(crate) fn passed(answer: &Answer) -> bool {
    answer.status == StatusCode::OK
}

/// A header of an answer; empty if it is not there.
pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
