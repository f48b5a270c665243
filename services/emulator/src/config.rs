//! Settings of the emulator, and what can be wrong with them.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use weir_domain::policy::Encoding as DomainEncoding;

/// Settings. The defaults are those of a demo.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where it listens. Whoever starts the emulator binds it.
    pub listen: String,
    /// Keys that are accepted as bearer token or `api-key`. None: everybody is let in.
    pub keys: Vec<SecretString>,
    /// Begins all randomness: the same seed and the same requests in the same order give the same answers.
    pub seed: u64,
    /// The largest request body, in bytes.
    pub body_bytes_max: usize,
    /// What happens when a client leaves before its answer is complete.
    pub on_disconnect: OnDisconnect,
    /// Where finished ledger entries are appended, one JSON object a line. None: they live as long as the process.
    pub ledger_file: Option<PathBuf>,
    /// How many ledger entries can be read back; the oldest are forgotten first. Totals are kept in any case.
    pub ledger_entries_max: usize,
    /// What is deployed.
    pub deployments: Vec<Deployment>,
}

/// What happens when a client leaves before its answer is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDisconnect {
    /// Generation stops; what was generated so far is billed.
    Stop,
    /// Generation goes on to its end; all of it is billed.
    Finish,
}

/// One deployment of a model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Deployment {
    /// Its name in Azure's URLs.
    pub name: String,
    /// The model, as OpenAI's URLs ask for it. Absent: the deployment's name.
    pub model: Option<String>,
    /// What answers call the model, usually with a date. Absent: the model.
    pub snapshot: Option<String>,
    /// What it does.
    pub kind: Kind,
    /// How it counts tokens.
    pub encoding: Encoding,
    /// How it is limited.
    pub mode: Mode,
    /// Tokens a minute; for a provisioned deployment the rate at which its utilisation falls.
    pub tokens_per_minute: u64,
    /// Requests a minute. A provisioned deployment has no such limit.
    pub requests_per_minute: u64,
    /// The longest prompt, or the longest single input of an embedding, in tokens.
    pub context_tokens_max: u64,
    /// The length of an embedding's vector.
    pub dimensions: usize,
    /// How long answers are when the request does not cut them.
    pub completion: Completion,
    /// The part of a completion that is reasoning, 0 to 1. More than 0 makes it a reasoning model, which refuses `max_tokens`.
    pub reasoning_share: f64,
    /// The part of every prompt that counts as cached. Absent: repeated prefixes do, as OpenAI has it.
    pub cached_share: Option<f64>,
    /// When tokens arrive.
    pub pacing: Pacing,
    /// What goes wrong.
    pub faults: Faults,
}

/// What a deployment does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Chat completions.
    Chat,
    /// Embeddings.
    Embeddings,
}

/// A tokenizer of OpenAI's, by its published name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// gpt-4o, gpt-4.1, gpt-5 and the o-series.
    O200kBase,
    /// gpt-4, gpt-3.5-turbo, text-embedding-3.
    Cl100kBase,
}

impl From<Encoding> for DomainEncoding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::O200kBase => Self::O200kBase,
            Encoding::Cl100kBase => Self::Cl100kBase,
        }
    }
}

/// How a deployment is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Pay as you go: so many tokens and requests in each minute.
    Standard,
    /// Provisioned throughput: a utilisation that requests raise and time lowers.
    Provisioned,
}

/// How long answers are. Short ones are more frequent: lengths are spread evenly on a logarithmic scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Completion {
    /// The shortest, in tokens of text.
    pub tokens_min: u64,
    /// The longest, in tokens of text.
    pub tokens_max: u64,
}

/// When tokens arrive.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default)]
pub struct Pacing {
    /// From the request to the first token, in milliseconds.
    pub first_token_ms: f64,
    /// From one token to the next, in milliseconds. Reasoning tokens take their time too, before the first token of text.
    pub token_gap_ms: f64,
    /// How much each wait may be longer or shorter, as a part of it, 0 to 1.
    pub jitter_share: f64,
    /// How many tokens a chunk of a stream carries.
    pub tokens_per_chunk: usize,
}

impl Pacing {
    /// As fast as it goes. For tests and benchmarks.
    pub const NONE: Self =
        Self { first_token_ms: 0.0, token_gap_ms: 0.0, jitter_share: 0.0, tokens_per_chunk: 1 };
}

/// What goes wrong, as probabilities between 0 and 1. A request with an `x-emulator-fault` header is exempt: it says itself.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Faults {
    /// An error status instead of an answer.
    pub error_share: f64,
    /// Which statuses; one of them is drawn.
    pub error_statuses: Vec<u16>,
    /// The connection ends before the answer is complete.
    pub reset_share: f64,
    /// The answer does not say what it used.
    pub omit_usage_share: f64,
    /// The answer begins late.
    pub slow_share: f64,
    /// How late, in milliseconds.
    pub slow_ms: u64,
    /// The answer is compressed although nobody asked.
    pub gzip_share: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8090".to_owned(),
            keys: Vec::new(),
            seed: 1,
            body_bytes_max: 16 * 1024 * 1024,
            on_disconnect: OnDisconnect::Stop,
            ledger_file: None,
            ledger_entries_max: 1_000_000,
            deployments: Deployment::demo(),
        }
    }
}

impl Default for Deployment {
    fn default() -> Self {
        Self {
            name: String::new(),
            model: None,
            snapshot: None,
            kind: Kind::Chat,
            encoding: Encoding::O200kBase,
            mode: Mode::Standard,
            // The largest limits OpenAI publishes for one of these models (gpt-4o-mini, tier 5), with more requests.
            tokens_per_minute: 150_000_000,
            requests_per_minute: 1_000_000,
            context_tokens_max: 128_000,
            dimensions: 1536,
            completion: Completion::default(),
            reasoning_share: 0.0,
            cached_share: None,
            pacing: Pacing::default(),
            faults: Faults::default(),
        }
    }
}

impl Default for Completion {
    fn default() -> Self {
        Self { tokens_min: 20, tokens_max: 400 }
    }
}

impl Default for Pacing {
    fn default() -> Self {
        Self { first_token_ms: 250.0, token_gap_ms: 12.0, jitter_share: 0.3, tokens_per_chunk: 1 }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            error_share: 0.0,
            error_statuses: vec![500, 503, 408],
            reset_share: 0.0,
            omit_usage_share: 0.0,
            slow_share: 0.0,
            slow_ms: 2_000,
            gzip_share: 0.0,
        }
    }
}

impl Deployment {
    /// A chat deployment of this name, the rest by default.
    pub fn chat(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// An embeddings deployment of this name, the rest by default.
    pub fn embeddings(name: &str) -> Self {
        Self {
            kind: Kind::Embeddings,
            encoding: Encoding::Cl100kBase,
            context_tokens_max: 8_192,
            pacing: Pacing { first_token_ms: 40.0, ..Pacing::default() },
            ..Self::chat(name)
        }
    }

    /// The model it serves.
    pub fn model(&self) -> &str {
        self.model.as_deref().unwrap_or(&self.name)
    }

    fn demo() -> Vec<Self> {
        let dated = |snapshot: &str| Some(snapshot.to_owned());
        vec![
            Self { snapshot: dated("gpt-4o-2024-11-20"), ..Self::chat("gpt-4o") },
            Self { snapshot: dated("gpt-4o-mini-2024-07-18"), ..Self::chat("gpt-4o-mini") },
            Self {
                snapshot: dated("o4-mini-2025-04-16"),
                reasoning_share: 0.5,
                context_tokens_max: 200_000,
                ..Self::chat("o4-mini")
            },
            Self::embeddings("text-embedding-3-small"),
        ]
    }
}

impl Pacing {
    pub(crate) fn first_token(&self) -> Duration {
        Duration::from_secs_f64(self.first_token_ms / 1_000.0)
    }

    pub(crate) fn token_gap(&self) -> Duration {
        Duration::from_secs_f64(self.token_gap_ms / 1_000.0)
    }
}
