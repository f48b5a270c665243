//! What only the journal in Kafka meets: missing topics, deleted records, a broker that is gone.

use std::collections::BTreeMap;
use std::future::Future;

use anyhow::{Context, ensure};
use libtest_mimic::{Completion, Failed, Trial};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, TopicPartitionList};
use weir_proto::record::Topic;
use weir_runtime::journal::config::KafkaConfig;
use weir_runtime::journal::kafka::KafkaJournal;
use weir_runtime::journal::{AppendError, Journal, Offset};
use weir_tests::kafka::{KafkaBroker, Missing};

use crate::in_time;
use crate::promises::{WAIT, record, unique};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        with_broker("kafka::topics_that_may_not_be_made_are_named", topics_that_may_not_be_made_are_named),
        with_broker("kafka::a_broker_that_is_gone_leaves_an_append_in_doubt", a_broker_that_is_gone),
        with_broker("kafka::records_that_were_deleted_are_never_skipped_in_silence", deleted_records),
    ]
}

/// A test with a broker of its own.
fn with_broker<F>(name: &str, test: fn(KafkaBroker) -> F) -> Trial
where
    F: Future<Output = anyhow::Result<()>> + 'static,
{
    Trial::ignorable_test(name, move || {
        let started: Result<KafkaBroker, Missing> = KafkaBroker::start();
        match started {
            Err(missing) => missing.verdict(),
            Ok(broker) => in_time(test(broker))
                .map(|()| Completion::Completed)
                .map_err(|broken| Failed::from(format!("{broken:?}"))),
        }
    })
}

fn config(broker: &KafkaBroker) -> KafkaConfig {
    KafkaConfig { brokers: broker.bootstrap(), ..KafkaConfig::default() }
}

async fn topics_that_may_not_be_made_are_named(broker: KafkaBroker) -> anyhow::Result<()> {
    let refused = KafkaJournal::open(KafkaConfig { create_topics: false, ..config(&broker) }).await;
    let refused = refused.err().context("opened without topics")?.to_string();
    for topic in Topic::ALL {
        ensure!(refused.contains(topic.name()), "{refused}");
    }
    KafkaJournal::open(config(&broker)).await?;
    // Now they are there.
    KafkaJournal::open(KafkaConfig { create_topics: false, ..config(&broker) }).await?;
    Ok(())
}

async fn a_broker_that_is_gone(broker: KafkaBroker) -> anyhow::Result<()> {
    let properties = BTreeMap::from([("request.timeout.ms".to_owned(), "1000".to_owned())]);
    let journal =
        KafkaJournal::open(KafkaConfig { delivery_timeout_ms: 2000, properties, ..config(&broker) }).await?;
    journal.append(Topic::Usage, vec![record("key", "before")]).await?;
    drop(broker);
    let outcome = journal.append(Topic::Usage, vec![record("key", "after")]).await;
    ensure!(matches!(outcome, Err(AppendError::Unknown { records: 1, .. })), "{outcome:?}");
    Ok(())
}

async fn deleted_records(broker: KafkaBroker) -> anyhow::Result<()> {
    let journal = KafkaJournal::open(config(&broker)).await?;
    let key = unique("deleted");
    let records = (0..10).map(|number| record(&key, format!("{number}"))).collect();
    let place = journal.append(Topic::Usage, records).await?[0].partition;

    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create()?;
    let mut below = TopicPartitionList::new();
    let index = i32::try_from(place.index)?;
    below.add_partition_offset(place.topic.name(), index, rdkafka::Offset::Offset(6))?;
    admin.delete_records(&below, &AdminOptions::new()).await?;

    let refused = journal.read(place, Offset::new(3)).await?.next(10, WAIT).await;
    ensure!(refused.is_err(), "records 3, 4 and 5 were skipped: {refused:?}");
    let first = journal.read(place, Offset::ZERO).await?.next(1, WAIT).await?;
    ensure!(first[0].offset == Offset::new(6), "from the beginning means from what is there: {first:?}");
    Ok(())
}
