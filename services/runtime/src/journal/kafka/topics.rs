//! The topics: found, or made if the settings say so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use tracing::{info, warn};
use weir_proto::record::Topic;

use super::super::Error;
use super::super::config::KafkaConfig;
use super::context::{Context, Retired};
use super::{REQUEST_TIMEOUT, blocking, records, refused, settings};

type Lookup = Arc<Retired<BaseConsumer<Context>>>;
type Found = BTreeMap<Topic, u32>;

/// A new topic is known to every broker after a moment; it is looked for so often.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Kafka's way to ask for the cluster's own default (KIP-464).
const DEFAULT_REPLICATION: i32 = -1;

/// How many partitions each topic has, after those that were missing were made.
pub(super) async fn ensure(config: &KafkaConfig, lookup: &Lookup) -> Result<Found, Error> {
    let found = find(lookup).await?;
    let missing: Vec<_> = Topic::ALL.into_iter().filter(|topic| !found.contains_key(topic)).collect();
    let found = if missing.is_empty() {
        found
    } else if config.create_topics {
        create(config, &missing).await?;
        tokio::time::timeout(REQUEST_TIMEOUT, until_found(lookup)).await.map_err(|_| {
            refused(config, &format!("topics were made but cannot be seen: {}", names(&missing)))
        })??
    } else {
        let advice = "make them, or set journal.kafka.create_topics = true";
        return Err(refused(config, &format!("topics are missing: {}; {advice}", names(&missing))));
    };
    for (topic, partitions) in &found {
        let wanted = config.partitions.of(*topic);
        if *partitions != wanted {
            let topic = topic.name();
            warn!(topic, partitions, wanted, "the topic has another number of partitions than the settings");
        }
    }
    Ok(found)
}

async fn find(lookup: &Lookup) -> Result<Found, Error> {
    let lookup = Arc::clone(lookup);
    blocking("list the topics".to_owned(), move || {
        let metadata = lookup.fetch_metadata(None, REQUEST_TIMEOUT)?;
        let partitions = |topic: Topic| {
            let found = metadata.topics().iter().find(|it| it.name() == topic.name())?;
            let ready = found.error().is_none() && found.partitions().iter().all(|it| it.leader() >= 0);
            let count = i32::try_from(found.partitions().len()).ok().filter(|count| ready && *count > 0)?;
            Some((topic, records::index(count)))
        };
        Ok(Topic::ALL.into_iter().filter_map(partitions).collect())
    })
    .await
}

async fn until_found(lookup: &Lookup) -> Result<Found, Error> {
    loop {
        let found = find(lookup).await?;
        if found.len() == Topic::ALL.len() {
            return Ok(found);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

async fn create(config: &KafkaConfig, missing: &[Topic]) -> Result<(), Error> {
    let failed = |problem: &dyn std::fmt::Display| Error {
        operation: format!("make the topics {}", names(missing)),
        reason: problem.to_string(),
    };
    let admin = settings::lookup(config).create_with_context(Context);
    let admin = Retired::new(admin.map_err(|problem| failed(&problem))?);
    let admin: &AdminClient<Context> = &admin;
    let replication = config.replication.map_or(DEFAULT_REPLICATION, i32::from);
    let bytes_max = settings::topic_bytes_max();
    let new_topic = |topic: &Topic| {
        let partitions = i32::try_from(config.partitions.of(*topic)).unwrap_or(i32::MAX);
        // The journal is the truth: nothing of it goes by itself.
        NewTopic::new(topic.name(), partitions, TopicReplication::Fixed(replication))
            .set("retention.ms", "-1")
            .set("retention.bytes", "-1")
            .set("cleanup.policy", "delete")
            .set("max.message.bytes", &bytes_max)
    };
    let topics: Vec<_> = missing.iter().map(new_topic).collect();
    let options = AdminOptions::new().operation_timeout(Some(REQUEST_TIMEOUT));
    let results = admin.create_topics(&topics, &options).await.map_err(|problem| failed(&problem))?;
    for result in results {
        match result {
            Ok(topic) => info!(topic, "topic made"),
            // Another process was faster.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, problem)) => return Err(failed(&format!("{topic}: {problem}"))),
        }
    }
    Ok(())
}

fn names(topics: &[Topic]) -> String {
    topics.iter().map(|topic| topic.name()).collect::<Vec<_>>().join(", ")
}
