//! Reads a partition forward and follows its end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::super::{Error, Offset, Reader, StoredRecord};
use super::log::{Cursor, PartitionLog};

/// How often a reader beside another process looks at the disk.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A reader of one partition.
pub(super) struct EmbeddedReader {
    log: Arc<PartitionLog>,
    cursor: Cursor,
    end: watch::Receiver<u64>,
    /// Whether the writer is another process, so that only the disk tells.
    looks_at_disk: bool,
}

impl EmbeddedReader {
    pub(super) fn new(log: Arc<PartitionLog>, from: Offset, looks_at_disk: bool) -> Self {
        let end = log.subscribe();
        Self { log, cursor: Cursor::at(from), end, looks_at_disk }
    }

    /// Returns when there is something to read.
    async fn arrival(&mut self) -> Result<(), Error> {
        let next = self.cursor.next;
        while self.looks_at_disk && self.log.end() <= next {
            tokio::time::sleep(LOOK_INTERVAL).await;
            self.look().await?;
        }
        self.end.wait_for(|end| *end > next).await.expect("this reader's log holds the sender");
        Ok(())
    }

    async fn look(&self) -> Result<(), Error> {
        let log = Arc::clone(&self.log);
        blocking(&self.log, move || log.refresh()).await
    }
}

#[async_trait]
impl Reader for EmbeddedReader {
    // The cursor moves last, so that a call that is dropped midway skips nothing.
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<StoredRecord>, Error> {
        if self.looks_at_disk {
            self.look().await?;
        }
        match tokio::time::timeout(wait, self.arrival()).await {
            Ok(arrived) => arrived?,
            Err(_) => return Ok(Vec::new()),
        }
        let (log, mut cursor) = (Arc::clone(&self.log), self.cursor.clone());
        let read = blocking(&self.log, move || {
            let records = log.read(&mut cursor, max)?;
            Ok((records, cursor))
        });
        let (records, cursor) = read.await?;
        self.cursor = cursor;
        Ok(records)
    }
}

/// Does file work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    log: &PartitionLog,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|failure| {
        Err(Error { operation: format!("read {}", log.partition), reason: failure.to_string() })
    })
}
