//! What is asked of librdkafka, and why. `properties` of the settings win over all of it.

use rdkafka::ClientConfig;

use super::super::RECORD_BYTES_MAX;
use super::super::config::KafkaConfig;

/// Room for a batch's own header and the lengths in it, above the largest record.
const BATCH_BYTES_MAX: usize = RECORD_BYTES_MAX + 64 * 1024;
/// What the producer keeps that is not delivered yet. The journal lets in no more than [`super::producer`] allows;
/// this is the second wall.
const PRODUCER_KIBIBYTES_MAX: usize = 256 * 1024;
const PRODUCER_MESSAGES_MAX: usize = 1_000_000;
/// What a reader fetches ahead. Small, because a process reads several partitions at once.
const READ_AHEAD_KIBIBYTES_MAX: usize = 16 * 1024;
const READ_AHEAD_MESSAGES_MIN: usize = 1000;
/// Heartbeats within a session: librdkafka advises three at least; more of them notice a rebalance sooner.
const HEARTBEATS_PER_SESSION: u32 = 10;

/// Setting of a topic that must take our largest record.
pub(super) fn topic_bytes_max() -> String {
    BATCH_BYTES_MAX.to_string()
}

/// For questions about topics and offsets.
pub(super) fn lookup(config: &KafkaConfig) -> ClientConfig {
    let mut settings = base(config);
    settings.set("allow.auto.create.topics", "false");
    with_properties(settings, config)
}

/// For appending.
pub(super) fn producer(config: &KafkaConfig) -> ClientConfig {
    let mut settings = base(config);
    settings
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", "5")
        .set("partitioner", "murmur2_random")
        .set("message.max.bytes", BATCH_BYTES_MAX.to_string())
        .set("queue.buffering.max.kbytes", PRODUCER_KIBIBYTES_MAX.to_string())
        .set("queue.buffering.max.messages", PRODUCER_MESSAGES_MAX.to_string())
        .set("delivery.timeout.ms", config.delivery_timeout_ms.to_string());
    with_properties(settings, config)
}

/// For reading a partition without a group. librdkafka wants the name of one all the same.
pub(super) fn reader(config: &KafkaConfig) -> ClientConfig {
    let mut settings = consumer(config, &format!("{}-reader", config.client_id));
    // An offset that is no longer there is an error: anything else would skip records silently.
    settings.set("auto.offset.reset", "error");
    with_properties(settings, config)
}

/// For asking what a group has committed.
pub(super) fn group(config: &KafkaConfig, group: &str) -> ClientConfig {
    with_properties(consumer(config, group), config)
}

/// For the nth member that this process adds to groups.
pub(super) fn member(config: &KafkaConfig, group: &str, nth: usize) -> ClientConfig {
    let mut settings = consumer(config, group);
    settings
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", config.session_timeout_ms.to_string())
        .set(
            "heartbeat.interval.ms",
            (config.session_timeout_ms / HEARTBEATS_PER_SESSION).max(1).to_string(),
        );
    if let Some(instance) = &config.group_instance_id {
        let instance = if nth == 0 { instance.clone() } else { format!("{instance}-{nth}") };
        settings.set("group.instance.id", instance);
    }
    with_properties(settings, config)
}

fn consumer(config: &KafkaConfig, group: &str) -> ClientConfig {
    let mut settings = base(config);
    settings
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("allow.auto.create.topics", "false")
        .set("fetch.message.max.bytes", BATCH_BYTES_MAX.to_string())
        .set("queued.max.messages.kbytes", READ_AHEAD_KIBIBYTES_MAX.to_string())
        .set("queued.min.messages", READ_AHEAD_MESSAGES_MIN.to_string())
        // How long fetching rests when that much is queued: the default of a second would starve a fast reader.
        .set("fetch.queue.backoff.ms", "20");
    settings
}

fn base(config: &KafkaConfig) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", &config.brokers)
        .set("client.id", &config.client_id)
        .set("socket.nagle.disable", "true")
        .set("socket.keepalive.enable", "true");
    settings
}

// Every name has dots, and none that a user needs has an underscore; environment variables can have only the latter.
fn with_properties(mut settings: ClientConfig, config: &KafkaConfig) -> ClientConfig {
    for (name, value) in &config.properties {
        settings.set(name.replace('_', "."), value);
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::consumer::{BaseConsumer, DefaultConsumerContext};
    use rdkafka::producer::{BaseProducer, DefaultProducerContext};

    #[test]
    fn librdkafka_knows_every_setting() {
        let config = KafkaConfig { group_instance_id: Some("node-1".into()), ..KafkaConfig::default() };
        let _: BaseProducer = producer(&config).create_with_context(DefaultProducerContext).unwrap();
        for settings in [lookup(&config), reader(&config), group(&config, "g"), member(&config, "g", 0)] {
            let _: BaseConsumer = settings.create_with_context(DefaultConsumerContext).unwrap();
        }
    }

    #[test]
    fn properties_win_and_may_be_written_with_underscores() {
        let mut config = KafkaConfig::default();
        config.properties.insert("linger_ms".into(), "1".into());
        config.properties.insert("sasl.username".into(), "weir".into());
        let settings = producer(&config);
        assert_eq!(settings.get("linger.ms"), Some("1"));
        assert_eq!(settings.get("sasl.username"), Some("weir"));
    }

    #[test]
    fn members_of_one_process_have_names_of_their_own() {
        let config = KafkaConfig { group_instance_id: Some("node-1".into()), ..KafkaConfig::default() };
        assert_eq!(member(&config, "g", 0).get("group.instance.id"), Some("node-1"));
        assert_eq!(member(&config, "g", 1).get("group.instance.id"), Some("node-1-1"));
    }
}
