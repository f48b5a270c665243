//! Reading.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use futures_util::FutureExt;
use weir_proto::record::Topic;
use weir_runtime::journal::{Offset, SharedJournal};

use crate::promises::{WAIT, record, unique};

pub(crate) async fn a_partition_is_replayed_from_any_offset(journal: SharedJournal) -> anyhow::Result<()> {
    let key = unique("replay");
    let records: Vec<_> = (0..80).map(|number| record(&key, format!("{number}"))).collect();
    let positions = journal.append(Topic::Usage, records.clone()).await?;
    for from in [0, 1, 17, 40, 78, 79] {
        let mut reader = journal.read(positions[from].partition, positions[from].offset).await?;
        let mut read = Vec::new();
        while read.len() < records.len() - from {
            let batch = reader.next(7, WAIT).await?;
            ensure!((1..=7).contains(&batch.len()), "{} records at once", batch.len());
            read.extend(batch.into_iter().map(|it| it.record).filter(|it| it.key == key.as_bytes()));
        }
        ensure!(read == records[from..], "from {from}");
    }
    Ok(())
}

pub(crate) async fn a_reader_at_the_end_waits_for_what_comes(journal: SharedJournal) -> anyhow::Result<()> {
    let key = unique("follow");
    let first = journal.append(Topic::Usage, vec![record(&key, "first")]).await?[0];
    let mut reader = journal.read(first.partition, first.offset).await?;
    let is_ours = |it: &weir_runtime::journal::StoredRecord| it.record.key == key.as_bytes();
    let mut seen = Vec::new();
    while !seen.iter().any(is_ours) {
        seen = reader.next(1, WAIT).await?;
    }
    for number in 0..5 {
        let appended = journal.append(Topic::Usage, vec![record(&key, format!("{number}"))]);
        let followed = async {
            loop {
                let found = reader.next(10, WAIT).await?.into_iter().find(is_ours);
                if let Some(found) = found {
                    return Ok::<_, anyhow::Error>(found);
                }
            }
        };
        let (appended, followed) = tokio::join!(appended, followed);
        ensure!(followed?.offset == appended?[0].offset, "{number}");
    }
    Ok(())
}

pub(crate) async fn a_read_that_is_given_up_skips_nothing(journal: SharedJournal) -> anyhow::Result<()> {
    let key = unique("given-up");
    let start = journal.append(Topic::Quota, vec![record(&key, "start")]).await?[0];
    let appends = Arc::clone(&journal);
    let records: Vec<_> = (0..200).map(|number| record(&key, format!("{number}"))).collect();
    let appending = async move {
        for record in records {
            appends.append(Topic::Quota, vec![record]).await?;
        }
        Ok::<_, anyhow::Error>(())
    };
    let reading = async {
        let mut reader = journal.read(start.partition, start.offset).await?;
        let mut read: Vec<(Offset, bytes::Bytes)> = Vec::new();
        while read.len() < 201 {
            for _ in 0..3 {
                // Polled once and dropped, wherever it stands.
                let _ = reader
                    .next(5, WAIT)
                    .now_or_never()
                    .transpose()?
                    .map(|batch| note(&mut read, batch, &key));
            }
            note(&mut read, reader.next(5, Duration::from_millis(1)).await?, &key);
        }
        Ok::<_, anyhow::Error>(read)
    };
    let (appended, read) = tokio::join!(appending, reading);
    appended?;
    let payloads: Vec<_> = read?.into_iter().map(|(_, payload)| payload).collect();
    let expected: Vec<_> = (0..200).map(|number| bytes::Bytes::from(format!("{number}"))).collect();
    ensure!(payloads[0] == "start" && payloads[1..] == expected, "{payloads:?}");
    Ok(())
}

fn note(read: &mut Vec<(Offset, bytes::Bytes)>, batch: Vec<weir_runtime::journal::StoredRecord>, key: &str) {
    let ours = batch.into_iter().filter(|it| it.record.key == key.as_bytes());
    read.extend(ours.map(|it| (it.offset, it.record.payload)));
}
