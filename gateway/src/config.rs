//! Settings of the gateway, `[gateway]` in `weir.toml`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use weir_domain::desk::HOLD_LIFETIME;
use weir_domain::ids::{NodeId, UpstreamId};
use weir_runtime::client_tls::ClientTls;
use weir_runtime::config::Problem;
use weir_runtime::journal::config::Fsync;
use weir_runtime::secrets::SecretSource;

/// A hold may be extended for the first time after two intervals, and a call may fail: three fit its lifetime of two minutes.
const EXTEND_INTERVAL_MS_MAX: u64 = 40_000;
const _: () = assert!(3 * EXTEND_INTERVAL_MS_MAX as u128 <= HOLD_LIFETIME.as_millis());

/// All that can be set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where callers are served.
    pub listen: String,
    /// The name of this gateway in its events. Two gateways must not share one.
    pub node: String,
    /// Whether requests are governed, or only passed on.
    pub mode: Mode,
    /// Where the quota service is.
    pub quota_url: String,
    /// How TLS is spoken to it, where that is https.
    pub quota_tls: ClientTls,
    /// How long a reservation may take before it is tried once more, and then given up.
    pub reserve_timeout_ms: u64,
    /// Where the write-ahead log and the last directory are. None: the folder `gateway` in the data directory.
    pub wal_dir: Option<PathBuf>,
    /// How old the directory may be that the gateway has kept beside its log, for it to be used at a start while quota cannot
    /// be asked. A caller key that was revoked since is accepted for so long; a night and a morning until somebody looks
    /// after an outage are 24 hours at most. 0: it is not used.
    pub kept_directory_hours_max: u32,
    /// When the write-ahead log is made to survive a power cut. A killed process loses nothing either way.
    /// `"always"`: before each call to an upstream; costs a disk write of latency, shared by requests that wait together.
    /// `{ interval_ms = 200 }`: a power cut loses what was written in that time. `"never"`: when the system likes.
    pub wal_fsync: Fsync,
    /// A file of the write-ahead log is closed and the next one begun when it has so many bytes.
    pub wal_segment_bytes: u64,
    /// How many connections callers may have at once; more wait to be accepted until one is closed. Each costs a file
    /// descriptor and some memory, and one more descriptor for its call to an upstream: 10,000 serve thousands of streams
    /// and stay well below what systems let a process open.
    pub connections_max: NonZeroU32,
    /// The largest body of a request.
    pub body_bytes_max: usize,
    /// How long a body may take to arrive.
    pub body_timeout_ms: u64,
    /// How long an upstream may take to begin its answer.
    pub upstream_answer_timeout_ms: u64,
    /// How long an upstream may say nothing in the midst of an answer.
    pub upstream_silence_timeout_ms: u64,
    /// How long the answer to a caller that left is read on, to learn its usage.
    pub drain_ms_max: u64,
    /// How many tokens of it are read on.
    pub drain_tokens_max: u64,
    /// How many attempts may be unfinished: their body on its way, under way, not yet in the journal, or not yet settled. Beyond it requests are
    /// refused, so that usage is never dropped.
    pub attempts_open_max: u32,
    /// How many settles are on their way to quota at once.
    pub settles_in_flight_max: u32,
    /// How often the holds of requests that are under way are extended, so that quota does not take this gateway for gone:
    /// often enough that two calls in a row may fail.
    pub extend_interval_ms: u64,
    /// How often an address may present a wrong key before it is told to wait.
    pub failed_keys_per_minute_max: NonZeroU32,
    /// On shutdown, how long streams may go on. The process that runs the gateway gives it 45 s in all, and this, the flush
    /// and twice 2 s for the last tasks to notice fit into it with room to spare: 20 + 5 + 2 + 2.
    pub shutdown_streams_ms_max: u64,
    /// On shutdown, how long usage may take to reach the journal and quota. The rest waits in the write-ahead log.
    pub shutdown_flush_ms_max: u64,
    /// Where requests can go.
    pub upstreams: Vec<UpstreamConfig>,
}

/// Whether requests are governed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Keys, quota and metering: what Weir is for.
    #[default]
    Governed,
    /// None of them: every request goes to the first upstream. For benchmarks.
    PassThrough,
}

/// An endpoint that serves models.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UpstreamConfig {
    /// Its name, as deployments in the policy refer to it.
    pub name: String,
    /// How it is spoken to.
    pub kind: UpstreamKind,
    /// `azure`: the resource, `https://NAME.openai.azure.com`. `openai`: as SDKs take it, `https://api.openai.com/v1`.
    pub base_url: String,
    /// Its key.
    pub api_key: SecretSource,
    /// `azure`: the version for callers that name none.
    #[serde(default = "default_api_version")]
    pub api_version: String,
    /// Certificates to trust instead of the public ones, in PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamKind {
    /// Deployments in the path, the key in `api-key`.
    Azure,
    /// The model in the body, the key as bearer.
    OpenAi,
}

fn default_api_version() -> String {
    "2024-10-21".to_owned()
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            node: "gateway-1".to_owned(),
            mode: Mode::default(),
            quota_url: "http://127.0.0.1:7070".to_owned(),
            quota_tls: ClientTls::default(),
            reserve_timeout_ms: 1_000,
            wal_dir: None,
            kept_directory_hours_max: 24,
            wal_fsync: Fsync::IntervalMs(200),
            wal_segment_bytes: 16 * 1024 * 1024,
            connections_max: NonZeroU32::new(10_000).expect("10,000 is not zero"),
            body_bytes_max: 16 * 1024 * 1024,
            body_timeout_ms: 60_000,
            upstream_answer_timeout_ms: 600_000,
            upstream_silence_timeout_ms: 300_000,
            drain_ms_max: 120_000,
            drain_tokens_max: 32_768,
            attempts_open_max: 100_000,
            settles_in_flight_max: 32,
            extend_interval_ms: 30_000,
            failed_keys_per_minute_max: NonZeroU32::new(60).expect("60 is not zero"),
            shutdown_streams_ms_max: 20_000,
            shutdown_flush_ms_max: 5_000,
            upstreams: Vec::new(),
        }
    }
}

impl Config {
    /// All that is wrong with the settings beyond their types. Secrets are not looked up here.
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut add = |place: String, message: String| found.push(Problem { place, message });
        if let Err(problem) = NodeId::try_new(&self.node) {
            add("gateway.node".to_owned(), problem.to_string());
        }
        for (index, upstream) in self.upstreams.iter().enumerate() {
            let place = |name: &str| format!("gateway.upstreams[{index}].{name}");
            if let Err(problem) = UpstreamId::try_new(&upstream.name) {
                add(place("name"), problem.to_string());
            }
            if self.upstreams[..index].iter().any(|before| before.name == upstream.name) {
                add(place("name"), format!("{:?} is defined twice; keep one of them", upstream.name));
            }
            if crate::upstream::base_of(upstream).is_err() {
                add(
                    place("base_url"),
                    format!("{:?} is not a URL such as \"https://host\"", upstream.base_url),
                );
            }
        }
        if !(1..=EXTEND_INTERVAL_MS_MAX).contains(&self.extend_interval_ms) {
            let (found, most) = (self.extend_interval_ms, EXTEND_INTERVAL_MS_MAX);
            let message =
                format!("{found} ms is not between 1 and {most} ms, within which quota must hear of a hold");
            add("gateway.extend_interval_ms".to_owned(), message);
        }
        if self.mode == Mode::PassThrough && self.upstreams.is_empty() {
            add("gateway.mode".to_owned(), "\"pass-through\" needs an upstream to pass to".to_owned());
        }
        found.extend(self.quota_tls.problems("gateway.quota_tls", &self.quota_url));
        found
    }

    pub(crate) fn upstream_silence_timeout(&self) -> Duration {
        Duration::from_millis(self.upstream_silence_timeout_ms)
    }

    pub(crate) fn kept_directory_age_max(&self) -> Duration {
        Duration::from_hours(self.kept_directory_hours_max.into())
    }

    pub(crate) fn reserve_timeout(&self) -> Duration {
        Duration::from_millis(self.reserve_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(name: &str, base_url: &str) -> UpstreamConfig {
        UpstreamConfig {
            name: name.to_owned(),
            kind: UpstreamKind::Azure,
            base_url: base_url.to_owned(),
            api_key: SecretSource::Env("KEY".to_owned()),
            api_version: default_api_version(),
            ca_file: None,
        }
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let config = Config {
            node: "Not A Name".to_owned(),
            extend_interval_ms: 60_000,
            upstreams: vec![
                upstream("a", "https://x"),
                upstream("a", "nowhere"),
                upstream("B", "http://y/openai"),
            ],
            ..Config::default()
        };
        let places: Vec<_> = config.problems().into_iter().map(|problem| problem.place).collect();
        let expected = [
            "gateway.node",
            "gateway.upstreams[1].name",
            "gateway.upstreams[1].base_url",
            "gateway.upstreams[2].name",
            "gateway.extend_interval_ms",
        ];
        assert_eq!(places, expected);
        assert_eq!(Config::default().problems(), []);
    }
}
