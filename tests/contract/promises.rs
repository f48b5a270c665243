//! Appending.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures_util::future::try_join_all;
use weir_proto::record::{Record, Topic};
use weir_runtime::journal::{
    AppendError, Offset, Partition, Position, RECORD_BYTES_MAX, SharedJournal, StoredRecord, partition_of,
};

/// Long enough for a loaded machine; what there is comes at once.
pub(crate) const WAIT: Duration = Duration::from_secs(20);

/// A name that no other test uses.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{:016x}", rand::random::<u64>())
}

pub(crate) fn record(key: &str, payload: impl Into<Bytes>) -> Record {
    let headers = vec![("ce_id".to_owned(), Bytes::from(unique("id")))];
    Record { key: Bytes::copy_from_slice(key.as_bytes()), headers, payload: payload.into() }
}

/// The partitions of a topic and where each ends now.
pub(crate) async fn ends(journal: &SharedJournal, topic: Topic) -> anyhow::Result<Vec<(Partition, Offset)>> {
    let mut ends = Vec::new();
    for index in 0..journal.partitions(topic).await? {
        let partition = Partition { topic, index };
        ends.push((partition, journal.end(partition).await?));
    }
    Ok(ends)
}

/// Everything from these places to the present ends, but only of these keys.
pub(crate) async fn read_keys(
    journal: &SharedJournal,
    from: &[(Partition, Offset)],
    is_ours: impl Fn(&[u8]) -> bool,
) -> anyhow::Result<Vec<StoredRecord>> {
    let mut found = Vec::new();
    for (partition, from) in from {
        let end = journal.end(*partition).await?;
        let mut reader = journal.read(*partition, *from).await?;
        let mut next = *from;
        while next < end {
            let batch = reader.next(100, WAIT).await?;
            let last = batch.last().with_context(|| format!("{partition} gave nothing from {next}"))?;
            next = last.offset.next();
            found.extend(batch.into_iter().filter(|stored| is_ours(&stored.record.key)));
        }
    }
    Ok(found)
}

fn by_key(stored: Vec<StoredRecord>) -> BTreeMap<Bytes, Vec<Record>> {
    let mut by_key: BTreeMap<Bytes, Vec<Record>> = BTreeMap::new();
    for stored in stored {
        by_key.entry(stored.record.key.clone()).or_default().push(stored.record);
    }
    by_key
}

pub(crate) async fn records_with_equal_keys_keep_their_order(journal: SharedJournal) -> anyhow::Result<()> {
    let before = ends(&journal, Topic::Usage).await?;
    let keys: Vec<_> = (0..7).map(|_| unique("order")).collect();
    let mut appended: BTreeMap<Bytes, Vec<Record>> = BTreeMap::new();
    for batch in 0..10 {
        let of_batch = |number: usize| record(&keys[number % 7], format!("{batch}/{number}"));
        let records: Vec<_> = (0..30).map(of_batch).collect();
        for record in &records {
            appended.entry(record.key.clone()).or_default().push(record.clone());
        }
        journal.append(Topic::Usage, records).await?;
    }
    let read = read_keys(&journal, &before, |key| appended.contains_key(key)).await?;
    ensure!(by_key(read) == appended, "what was read differs from what was appended");
    Ok(())
}

pub(crate) async fn an_append_says_where_each_record_went(journal: SharedJournal) -> anyhow::Result<()> {
    let records: Vec<_> = (0..40).map(|number| record(&unique("place"), format!("{number}"))).collect();
    let positions = journal.append(Topic::Quota, records.clone()).await?;
    ensure!(positions.len() == records.len());
    let distinct: BTreeSet<_> = positions.iter().map(|it| (it.partition, it.offset)).collect();
    ensure!(distinct.len() == records.len(), "two records have the same place");
    for (record, Position { partition, offset }) in records.iter().zip(positions) {
        ensure!(offset < journal.end(partition).await?, "{partition} ends before {offset}");
        let read = journal.read(partition, offset).await?.next(1, WAIT).await?;
        ensure!(read == [StoredRecord { partition, offset, record: record.clone() }], "{read:?}");
    }
    Ok(())
}

pub(crate) async fn keys_are_spread_over_partitions_as_kafka_spreads_them(
    journal: SharedJournal,
) -> anyhow::Result<()> {
    let partitions = journal.partitions(Topic::Usage).await?;
    ensure!(partitions == 4 && journal.partitions(Topic::DeadLetter).await? == 1);
    let mut keys: Vec<_> = (0..60).map(|number| format!("service-{number}")).collect();
    keys.push(String::new());
    let positions = journal.append(Topic::Usage, keys.iter().map(|key| record(key, "x")).collect()).await?;
    for (key, position) in keys.iter().zip(&positions) {
        ensure!(position.partition.index == partition_of(key.as_bytes(), partitions), "{key:?}");
    }
    let used: BTreeSet<_> = positions.iter().map(|position| position.partition).collect();
    ensure!(used.len() == partitions as usize, "60 keys leave a partition empty");
    Ok(())
}

pub(crate) async fn every_byte_of_a_record_survives(journal: SharedJournal) -> anyhow::Result<()> {
    let before = ends(&journal, Topic::DeadLetter).await?;
    let noise: Vec<u8> = (0..1024 * 1024).map(|_| rand::random()).collect();
    let headers = vec![
        ("b".to_owned(), Bytes::from_static(&[0, 255, 10])),
        ("a".to_owned(), Bytes::new()),
        ("b".to_owned(), Bytes::from_static("zweimal ü".as_bytes())),
    ];
    let key = |name: &str| [unique(name).as_bytes(), &[0, 255]].concat();
    let records = vec![
        Record { key: key("empty").into(), headers: Vec::new(), payload: Bytes::new() },
        Record { key: key("headers").into(), headers, payload: Bytes::from_static(&[0]) },
        Record { key: key("large").into(), headers: Vec::new(), payload: noise.into() },
        Record { key: key("zeros").into(), headers: Vec::new(), payload: vec![0; 1024 * 1024].into() },
    ];
    journal.append(Topic::DeadLetter, records.clone()).await?;
    let is_ours = |key: &[u8]| records.iter().any(|record| record.key == key);
    let read = read_keys(&journal, &before, is_ours).await?;
    let read: Vec<_> = read.into_iter().map(|stored| stored.record).collect();
    ensure!(read == records, "a record came back changed");
    Ok(())
}

pub(crate) async fn concurrent_appends_all_land_once_and_in_order(
    journal: SharedJournal,
) -> anyhow::Result<()> {
    const TASKS: usize = 40;
    const APPENDS: usize = 10;
    let before = ends(&journal, Topic::Usage).await?;
    let prefix = unique("concurrent");
    let appender = |task: usize| {
        let (journal, key) = (Arc::clone(&journal), format!("{prefix}-{task}"));
        async move {
            for number in 0..APPENDS {
                let payload = |half: &str| format!("{number:02}{half}");
                let records = vec![record(&key, payload("a")), record(&key, payload("b"))];
                journal.append(Topic::Usage, records).await?;
            }
            Ok::<_, AppendError>(())
        }
    };
    try_join_all((0..TASKS).map(appender)).await?;
    let read = by_key(read_keys(&journal, &before, |key| key.starts_with(prefix.as_bytes())).await?);
    ensure!(read.len() == TASKS);
    let expected: Vec<_> = (0..APPENDS).flat_map(|it| [format!("{it:02}a"), format!("{it:02}b")]).collect();
    for (key, records) in read {
        let payloads: Vec<_> = records.iter().map(|it| String::from_utf8_lossy(&it.payload)).collect();
        ensure!(payloads == expected, "{key:?}: {payloads:?}");
    }
    Ok(())
}

pub(crate) async fn a_record_above_the_limit_is_rejected_and_the_next_is_not(
    journal: SharedJournal,
) -> anyhow::Result<()> {
    let before = ends(&journal, Topic::Quota).await?;
    let key = unique("limit");
    let noise: Vec<u8> = (0..=RECORD_BYTES_MAX).map(|_| rand::random()).collect();
    let refused =
        journal.append(Topic::Quota, vec![record(&key, "before"), record(&key, noise.clone())]).await;
    ensure!(matches!(refused, Err(AppendError::Rejected { .. })), "{refused:?}");
    let mut largest = record(&key, "");
    let room =
        RECORD_BYTES_MAX - key.len() - largest.headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
    largest.payload = noise[..room].to_vec().into();
    journal.append(Topic::Quota, vec![largest.clone()]).await?;
    let read = read_keys(&journal, &before, |it| it == key.as_bytes()).await?;
    ensure!(read.len() == 1 && read[0].record == largest, "{} records", read.len());
    Ok(())
}

pub(crate) async fn nothing_is_appended_for_nothing(journal: SharedJournal) -> anyhow::Result<()> {
    ensure!(journal.append(Topic::Usage, Vec::new()).await?.is_empty());
    Ok(())
}
