//! The demo's callers: six services that behave like applications do, through the gateway's own door.
//!
//! Bounded: each service has one caller that waits for its answer before it asks again.

use std::time::Duration;

use http_body_util::BodyExt;
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::http::Http;

/// What a service asks, and how often.
pub(super) struct Habit {
    /// The service, as the demo's policy names it.
    pub(super) service: &'static str,
    model: &'static str,
    /// Between the end of an answer and the next question.
    pause: Duration,
    streamed: bool,
    /// Words of a question.
    words: std::ops::Range<usize>,
    /// The most output tokens it asks for.
    output: std::ops::Range<u64>,
}

const fn habit(service: &'static str, model: &'static str, pause_ms: u64, streamed: bool) -> Habit {
    Habit {
        service,
        model,
        pause: Duration::from_millis(pause_ms),
        streamed,
        words: 20..120,
        output: 40..220,
    }
}

/// One habit a service. `paper-digest` asks for far more than its baseline.
pub(super) fn habits() -> [Habit; 6] {
    [
        habit("shop-assistant", "gpt-4o", 150, true),
        Habit { words: 5..40, ..habit("catalogue-search", "text-embedding-3-small", 100, false) },
        Habit { output: 10..30, ..habit("ticket-triage", "gpt-4o-mini", 300, false) },
        habit("agent-copilot", "gpt-4o", 500, true),
        habit("launch-demo", "gpt-4o", 400, true),
        Habit { words: 300..900, output: 200..400, ..habit("paper-digest", "gpt-4o-mini", 200, false) },
    ]
}

const VOCABULARY: [&str; 24] = [
    "river", "water", "level", "gauge", "flow", "spring", "bridge", "stone", "mill", "rain", "season",
    "field", "price", "order", "parcel", "refund", "colour", "size", "delivery", "question", "answer",
    "again", "today", "please",
];

/// Asks until shutdown.
pub(super) async fn call(habit: Habit, gateway: String, key: String, shutdown: CancellationToken) {
    let http = Http::new();
    let mut random = StdRng::seed_from_u64(habit.service.bytes().map(u64::from).sum());
    loop {
        let (path, body) = habit.question(&mut random);
        let ask = async {
            match http.post(&format!("http://{gateway}{path}"), &key, &body).await {
                // An application reads its answer to the end; a refusal is an answer too.
                Ok(response) => drop(response.into_body().collect().await),
                Err(problem) => tracing::debug!(service = habit.service, %problem, "demo call failed"),
            }
            tokio::time::sleep(habit.pause).await;
        };
        tokio::select! {
            () = ask => {}
            () = shutdown.cancelled() => return,
        }
    }
}

impl Habit {
    fn question(&self, random: &mut StdRng) -> (&'static str, Value) {
        let count = random.random_range(self.words.clone());
        let words: Vec<_> =
            (0..count).map(|_| VOCABULARY[random.random_range(0..VOCABULARY.len())]).collect();
        let text = words.join(" ");
        if self.model.starts_with("text-embedding") {
            return ("/v1/embeddings", json!({"model": self.model, "input": text}));
        }
        let body = json!({
            "model": self.model,
            "stream": self.streamed,
            "max_tokens": random.random_range(self.output.clone()),
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": text},
            ],
        });
        ("/v1/chat/completions", body)
    }
}
