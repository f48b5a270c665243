//! Settings of the journal: `[journal]` in `weir.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use weir_proto::record::Topic;

/// Which journal, and how it is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `embedded` (one machine, nothing to install) or `kafka`.
    pub kind: Kind,
    /// For `kind = "embedded"`.
    pub embedded: EmbeddedConfig,
    /// For `kind = "kafka"`.
    pub kafka: KafkaConfig,
}

/// An implementation of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A durable log on this machine.
    #[default]
    Embedded,
    /// A Kafka cluster.
    Kafka,
}

/// The embedded journal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EmbeddedConfig {
    /// Where it is kept; without it, `journal` in the data directory.
    pub dir: Option<PathBuf>,
    /// When it makes the disk keep what was appended.
    pub fsync: Fsync,
    /// Partitions of each topic; fixed when the topic is first opened.
    pub partitions: Partitions,
    /// A file of a partition is closed and the next one begun when it has so many bytes.
    pub segment_bytes: u64,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            dir: None,
            fsync: Fsync::default(),
            partitions: Partitions::default(),
            segment_bytes: 64 * 1024 * 1024,
        }
    }
}

/// When appends are forced to the disk. A killed process loses nothing that was acknowledged under any of them,
/// because the kernel has it; the difference is what a power cut or a crash of the machine can take.
///
/// Whatever is set, a file is forced when it is full, and (but for `never`) before a group commits an offset in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fsync {
    /// Before an append is acknowledged; appends that wait share one. A power cut loses nothing acknowledged.
    #[default]
    Always,
    /// So many milliseconds after an append at the latest: `{ interval_ms = 200 }`. A power cut loses at most what
    /// was acknowledged in that time and in the time that a sync takes.
    IntervalMs(u64),
    /// When the kernel pleases (Linux: about 30 s). A power cut loses at most what was not written by then, and
    /// reports may then show usage that the journal lost: `weir rebuild`.
    Never,
}

/// Partitions of each topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Partitions {
    /// Of `weir.usage.v1`: how many aggregators can share the work.
    pub usage: u32,
    /// Of `weir.quota.v1`: how many quota nodes can.
    pub quota: u32,
    /// Of `weir.deadletter.v1`.
    pub deadletter: u32,
}

impl Default for Partitions {
    fn default() -> Self {
        Self { usage: 4, quota: 4, deadletter: 1 }
    }
}

impl Partitions {
    /// Of one topic; at least one.
    pub fn of(self, topic: Topic) -> u32 {
        let partitions = match topic {
            Topic::Usage => self.usage,
            Topic::Quota => self.quota,
            Topic::DeadLetter => self.deadletter,
        };
        partitions.max(1)
    }
}

/// The journal in Kafka.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct KafkaConfig {
    /// `host:port`, several with commas between.
    pub brokers: String,
    /// How this process is named in the brokers' logs and quotas.
    pub client_id: String,
    /// A name that this process keeps over restarts, no two processes the same (`group.instance.id`): a restart
    /// within `session_timeout_ms` then moves no partition. Without it, a process that ends gives its partitions
    /// back at once.
    pub group_instance_id: Option<String>,
    /// A member that is silent for so long has lost its partitions.
    pub session_timeout_ms: u32,
    /// An append that is not acknowledged after so long has an unknown outcome.
    pub delivery_timeout_ms: u32,
    /// Whether to create topics that are not there. Off where topics belong to somebody else.
    pub create_topics: bool,
    /// Partitions of topics that are created.
    pub partitions: Partitions,
    /// Replicas of topics that are created; without it, the cluster's default.
    pub replication: Option<u16>,
    /// Any other setting of librdkafka, for instance `"security.protocol"`, `"sasl.mechanisms"`, `"ssl.ca.location"`.
    /// Wins over what Weir sets itself. `_` may stand for `.`, so that secrets can come from the environment:
    /// `WEIR__JOURNAL__KAFKA__PROPERTIES__SASL_PASSWORD`. TLS needs a build with the feature `kafka-tls`.
    pub properties: BTreeMap<String, String>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            client_id: "weir".to_owned(),
            group_instance_id: None,
            session_timeout_ms: 10_000,
            delivery_timeout_ms: 30_000,
            create_topics: true,
            partitions: Partitions::default(),
            replication: None,
            properties: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for KafkaConfig {
    // Properties may hold passwords: their names are shown, their values never.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("client_id", &self.client_id)
            .field("group_instance_id", &self.group_instance_id)
            .field("session_timeout_ms", &self.session_timeout_ms)
            .field("delivery_timeout_ms", &self.delivery_timeout_ms)
            .field("create_topics", &self.create_topics)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn journal(text: &str) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("weir.toml");
        std::fs::write(&file, text).unwrap();
        let mut settings = Settings::load(Some(&file)).unwrap();
        let config = settings.section("journal");
        settings.finish().unwrap();
        config
    }

    #[test]
    fn every_fsync_policy_can_be_written() {
        let fsync = |text: &str| journal(&format!("[journal.embedded]\nfsync = {text}\n")).embedded.fsync;
        assert_eq!(fsync("\"always\""), Fsync::Always);
        assert_eq!(fsync("{ interval_ms = 250 }"), Fsync::IntervalMs(250));
        assert_eq!(fsync("\"never\""), Fsync::Never);
        assert_eq!(journal("").embedded, EmbeddedConfig::default());
    }

    #[test]
    fn properties_of_kafka_are_passed_on_and_never_printed() {
        let config = journal(
            "[journal]\nkind = \"kafka\"\n[journal.kafka.properties]\n\"sasl.password\" = \"s3cret\"\n",
        );
        assert_eq!(config.kind, Kind::Kafka);
        assert_eq!(config.kafka.properties["sasl.password"], "s3cret");
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
