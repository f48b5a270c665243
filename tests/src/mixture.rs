//! Two thousand requests as a careless organisation makes them: streams, leavers, faults, missing usage.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::caller::{Call, call};
use crate::world::SERVICES;

/// Between two tries of a caller whose gateway is away.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// A gateway that stays away longer than this is a failure of the test: two minutes.
const TRIES_MAX: usize = 1200;

/// What came of a mixture.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Calls to which an answer began.
    answered: watch::Sender<usize>,
    /// Calls to which none came before the connection ended: their gateway was killed.
    pub broken: AtomicUsize,
    /// Answers that were refusals.
    pub refused: AtomicUsize,
}

impl Outcome {
    /// Waits until answers to so many calls have begun.
    pub async fn answers(&self, count: usize) {
        let mut answered = self.answered.subscribe();
        answered.wait_for(|answered| *answered >= count).await.expect("the sender lives as long as this");
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (broken, refused) = (self.broken.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed));
        write!(f, "{} answered, {broken} broken, {refused} refused", *self.answered.borrow())
    }
}

/// Plans a mixture for a key of each of [`SERVICES`]. The same seed gives the same plan.
pub fn plan(seed: u64, count: usize, keys: &[String]) -> Vec<Call> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..count).map(|_| one(&mut random, keys)).collect()
}

fn one(random: &mut StdRng, keys: &[String]) -> Call {
    let who = random.random_range(0..keys.len());
    let words = random.random_range(1..60);
    let text: Vec<_> = (0..words).map(|_| format!("word{}", random.random_range(0..500))).collect();
    let text = text.join(" ");
    let kind = random.random_range(0..10);
    let (path, body, streamed) = match kind {
        0 => ("/v1/embeddings", json!({"model": "text-embedding-3-small", "input": [text, "two"]}), false),
        1 => (
            "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
            chat(None, &text, random),
            false,
        ),
        2 | 3 => ("/v1/chat/completions", chat(Some("gpt-4o-mini"), &text, random), false),
        _ => {
            let mut body = chat(Some(if kind < 7 { "gpt-4o" } else { "gpt-4o-mini" }), &text, random);
            body["stream"] = json!(true);
            if random.random_bool(0.3) {
                body["stream_options"] = json!({"include_usage": true});
            }
            ("/v1/chat/completions", body, true)
        }
    };
    let fault = match random.random_range(0..20) {
        0 => Some("status=500".to_owned()),
        1 if streamed => Some(format!("reset-after-chunks={}", random.random_range(1..12))),
        2 | 3 => Some("omit-usage".to_owned()),
        4 => Some("delay-ms=300".to_owned()),
        5 => Some("gzip".to_owned()),
        _ => None,
    };
    let leave = random.random_bool(0.1).then(|| random.random_range(0..8));
    let (key, service) = (keys[who].clone(), SERVICES[who].to_owned());
    Call { path: path.to_owned(), key, service, body, fault, traceparent: None, leave_after_frames: leave }
}

fn chat(model: Option<&str>, text: &str, random: &mut StdRng) -> Value {
    json!({
        "model": model,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}],
        "max_tokens": random.random_range(1..60),
    })
}

/// Makes the calls, so many at a time. A caller whose gateway is away tries again until an answer begins.
pub async fn run(
    gateway: &str,
    calls: Vec<Call>,
    concurrency: usize,
    outcome: &Arc<Outcome>,
) -> anyhow::Result<()> {
    let queue = Arc::new(std::sync::Mutex::new(calls.into_iter()));
    let mut workers = JoinSet::new();
    for _ in 0..concurrency {
        let (gateway, queue, outcome) = (gateway.to_owned(), Arc::clone(&queue), Arc::clone(outcome));
        workers.spawn(async move {
            loop {
                let next = queue.lock().expect("no worker panics while it holds the queue").next();
                let Some(next) = next else { return anyhow::Ok(()) };
                ask(&gateway, &next, &outcome).await?;
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(())
}

async fn ask(gateway: &str, next: &Call, outcome: &Outcome) -> anyhow::Result<()> {
    for _ in 0..TRIES_MAX {
        match call(gateway, next).await {
            Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                outcome.refused.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {}
            Ok(_) => {
                outcome.answered.send_modify(|answered| *answered += 1);
                return Ok(());
            }
            Err(_) => {
                outcome.broken.fetch_add(1, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
    anyhow::bail!("the gateway did not answer {next:?} for two minutes")
}
