//! The thread that appends to a partition: group commit, syncing, segments.
//!
//! While it writes or syncs, appends queue up; the next write and the next sync take all of them. The queue is
//! bounded in bytes: who appends more waits.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::{error, warn};

use super::super::config::Fsync;
use super::super::limits::APPEND_BYTES_MAX;
use super::log::PartitionLog;
use crate::framed_log::FramedLog;

/// What one permit of the queue stands for. Every append takes at least one, which bounds their number too.
const PERMIT_BYTES: usize = 16 * 1024;
/// The queue of a partition: twice the largest append, so that one of them never waits for itself.
const QUEUE_PERMITS: usize = 2 * APPEND_BYTES_MAX / PERMIT_BYTES;
/// A write ends when it has so many bytes: what comes later shares the next sync.
const WRITE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why an append did not succeed.
#[derive(Debug, Clone)]
pub(super) enum WriteError {
    Rejected(String),
    Unknown(String),
}

enum Request {
    Append(Append),
    Sync(Sync),
}

struct Append {
    frames: Vec<Vec<u8>>,
    reply: oneshot::Sender<Result<u64, WriteError>>,
    _room: OwnedSemaphorePermit,
}

struct Sync {
    reply: oneshot::Sender<Result<(), String>>,
    _room: OwnedSemaphorePermit,
}

/// A handle on the thread. Dropping it waits until everything queued is written and synced.
#[derive(Debug)]
pub(super) struct Writer {
    /// Has room for one request a permit, so that sending never blocks. None once it is being dropped.
    requests: Option<SyncSender<Request>>,
    room: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

/// What an append will say.
pub(super) type Reply = oneshot::Receiver<Result<u64, WriteError>>;

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        shared: Arc<PartitionLog>,
        log: FramedLog,
        fsync: Fsync,
        segment_bytes: u64,
    ) -> std::io::Result<Self> {
        let (sender, requests) = sync_channel(QUEUE_PERMITS);
        let name = format!("journal {}", shared.partition);
        let mut work = Work { shared, log, fsync, segment_bytes, requests, unsynced_since: None };
        let thread = std::thread::Builder::new().name(name).spawn(move || work.run())?;
        Ok(Self {
            requests: Some(sender),
            room: Arc::new(Semaphore::new(QUEUE_PERMITS)),
            thread: Some(thread),
        })
    }

    /// Queues an append. The reply is the offset of its first record.
    pub(super) async fn append(&self, frames: Vec<Vec<u8>>) -> Result<Reply, WriteError> {
        let room = self.room(frames.iter().map(Vec::len).sum()).await;
        let (reply, replied) = oneshot::channel();
        let request = Request::Append(Append { frames, reply, _room: room });
        self.send(request).map_err(WriteError::Rejected)?;
        Ok(replied)
    }

    /// Makes everything that readers may have seen survive a power cut.
    pub(super) async fn sync(&self) -> Result<(), String> {
        let room = self.room(0).await;
        let (reply, replied) = oneshot::channel();
        self.send(Request::Sync(Sync { reply, _room: room }))?;
        replied.await.unwrap_or_else(|_| Err(STOPPED.to_owned()))
    }

    async fn room(&self, bytes: usize) -> OwnedSemaphorePermit {
        let permits = bytes.div_ceil(PERMIT_BYTES).clamp(1, QUEUE_PERMITS);
        let permits = u32::try_from(permits).expect("the queue has a few thousand permits");
        Arc::clone(&self.room).acquire_many_owned(permits).await.expect("the semaphore is never closed")
    }

    fn send(&self, request: Request) -> Result<(), String> {
        let requests = self.requests.as_ref().ok_or(STOPPED)?;
        requests.try_send(request).map_err(|_| STOPPED.to_owned())
    }
}

/// Said when the thread has ended, which only a defect can cause.
pub(super) const STOPPED: &str = "the partition's writer has stopped";

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            error!("a writer of the journal panicked");
        }
    }
}

struct Work {
    shared: Arc<PartitionLog>,
    log: FramedLog,
    fsync: Fsync,
    segment_bytes: u64,
    requests: Receiver<Request>,
    /// When the first record that may be lost in a power cut was written.
    unsynced_since: Option<Instant>,
}

impl Work {
    fn run(&mut self) {
        loop {
            match self.receive() {
                Ok(request) => self.serve(request),
                Err(RecvTimeoutError::Timeout) => self.sync_what_is_due(),
                Err(RecvTimeoutError::Disconnected) => return self.sync_what_is_due(),
            }
        }
    }

    /// The next request, or the time at which a sync is due. None is due any more once one has failed.
    fn receive(&self) -> Result<Request, RecvTimeoutError> {
        match (self.fsync, self.unsynced_since) {
            (Fsync::IntervalMs(interval), Some(since)) if !self.log.is_poisoned() => {
                let due_in = Duration::from_millis(interval).saturating_sub(since.elapsed());
                if due_in.is_zero() {
                    Err(RecvTimeoutError::Timeout)
                } else {
                    self.requests.recv_timeout(due_in)
                }
            }
            _ => self.requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn serve(&mut self, first: Request) {
        let (mut appends, mut syncs, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Append(append) => {
                    bytes += append.frames.iter().map(Vec::len).sum::<usize>();
                    appends.push(append);
                }
                Request::Sync(sync) => syncs.push(sync),
            }
            next = if bytes < WRITE_BYTES_MAX { self.requests.try_recv().ok() } else { None };
        }
        self.append(appends);
        if !syncs.is_empty() {
            let synced = self.sync().map_err(|failure| failure.to_string());
            for sync in syncs {
                let _ = sync.reply.send(synced.clone());
            }
        }
    }

    fn append(&mut self, appends: Vec<Append>) {
        if appends.is_empty() {
            return;
        }
        let written = self.write(&appends);
        if let Err(failure) = &written {
            warn!(partition = %self.shared.partition, ?failure, "the journal could not append");
        }
        let mut done = 0;
        for append in appends {
            let first = written.clone().map(|first| first + done);
            done += append.frames.len() as u64;
            // Who no longer waits for the outcome does not need it.
            let _ = append.reply.send(first);
        }
    }

    /// Writes all or none, and says the offset of the first record.
    fn write(&mut self, appends: &[Append]) -> Result<u64, WriteError> {
        self.roll_if_full().map_err(WriteError::Rejected)?;
        let first = self.shared.end();
        let frames = || appends.iter().flat_map(|append| &append.frames);
        let was_poisoned = self.log.is_poisoned();
        self.log.append_all(frames()).map_err(|failure| {
            let in_doubt = self.log.is_poisoned() && !was_poisoned;
            let reason = self.reason(&failure);
            if in_doubt { WriteError::Unknown(reason) } else { WriteError::Rejected(reason) }
        })?;
        self.unsynced_since.get_or_insert_with(monotonic_now);
        if self.fsync == Fsync::Always {
            self.sync().map_err(|failure| WriteError::Unknown(self.reason(&failure)))?;
        }
        self.shared.publish(frames().map(Vec::len));
        Ok(first)
    }

    /// A full segment is synced whatever the policy, so that only the last one can have a torn tail.
    fn roll_if_full(&mut self) -> Result<(), String> {
        if self.log.len() < self.segment_bytes || self.log.is_poisoned() {
            return Ok(());
        }
        self.sync().map_err(|failure| self.reason(&failure))?;
        self.log = self.shared.roll(self.shared.end()).map_err(|failure| self.reason(&failure))?;
        Ok(())
    }

    fn sync_what_is_due(&mut self) {
        if self.fsync != Fsync::Never
            && let Err(failure) = self.sync()
        {
            error!(partition = %self.shared.partition, %failure, "the journal could not sync");
        }
    }

    /// Fails for ever once it has failed: the log is poisoned then, and what was unsynced stays so.
    fn sync(&mut self) -> std::io::Result<()> {
        if self.unsynced_since.is_some() {
            self.log.sync()?;
            self.unsynced_since = None;
        }
        Ok(())
    }

    fn reason(&self, failure: &dyn std::error::Error) -> String {
        let cause = failure.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        let advice = if self.log.is_poisoned() { "; start again to go on with what is on disk" } else { "" };
        format!("{failure}{cause}{advice}")
    }
}

#[expect(clippy::disallowed_methods, reason = "paces real disk writes; no rule of the product depends on it")]
fn monotonic_now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use weir_proto::record::Topic;

    use super::super::super::Partition;
    use super::super::index::Index;
    use super::*;

    #[tokio::test]
    async fn after_a_sync_that_failed_none_says_that_the_records_are_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment");
        // It takes writes and cannot be synced.
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let (log, _) = FramedLog::open(&path).unwrap();
        let partition = Partition { topic: Topic::Usage, index: 0 };
        let shared = PartitionLog::new(partition, dir.path().to_owned(), vec![0], Index::default());
        let (sender, requests) = sync_channel(1);
        let (fsync, segment_bytes) = (Fsync::IntervalMs(0), u64::MAX);
        let mut work = Work { shared, log, fsync, segment_bytes, requests, unsynced_since: None };
        let room = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let (reply, _replied) = oneshot::channel();
        work.write(&[Append { frames: vec![b"record".to_vec()], reply, _room: room }]).unwrap();

        assert!(matches!(work.receive(), Err(RecvTimeoutError::Timeout)), "a sync is due");
        work.sync_what_is_due();
        assert!(work.sync().is_err());
        assert!(work.sync().is_err());
        drop(sender);
        assert!(matches!(work.receive(), Err(RecvTimeoutError::Disconnected)), "it tries no more by itself");
    }
}
