//! Makes the log survive a power cut, as often as the settings say.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_runtime::journal::config::Fsync;

use super::{Closed, State, Waiting, Wal};

impl Wal {
    /// Syncs until shutdown, and once more then. Starts that wait together share one sync.
    pub(crate) async fn keep_synced(&self, shutdown: CancellationToken) {
        let mut goes_on = true;
        while goes_on {
            let woken = async {
                match self.fsync {
                    Fsync::Always => self.sync_wanted.notified().await,
                    Fsync::IntervalMs(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                    Fsync::Never => std::future::pending().await,
                }
            };
            // A sync that has begun is not cancelled: it has taken what it syncs.
            goes_on = shutdown.run_until_cancelled(woken).await.is_some();
            self.sync().await;
        }
    }

    /// Syncs what was appended so far, full files first, and tells those that wait for it.
    pub(super) async fn sync(&self) {
        let mut files = Vec::new();
        {
            let mut state = self.lock();
            files.append(&mut state.closed);
            if std::mem::take(&mut state.unsynced) {
                let waiting = std::mem::take(&mut state.waiting);
                files.push(Closed { file: state.active_file.clone(), waiting });
            }
        }
        for Closed { file, waiting } in files {
            let synced_file = file.clone();
            let synced = tokio::task::spawn_blocking(move || synced_file.sync_data())
                .await
                .unwrap_or_else(|_| Err(io::Error::other("the sync did not run")));
            if let Err(problem) = &synced {
                tracing::error!(%problem, "write-ahead log cannot be synced; going on in a new file");
                self.lock().abandon(&file, &synced);
            }
            answer(waiting, &synced);
        }
    }
}

impl State {
    /// What the kernel could not write it may have dropped, and would not say so again: nothing more goes into this file,
    /// and those that have begun to wait for it meanwhile wait in vain.
    pub(super) fn abandon(&mut self, file: &Arc<File>, failed: &io::Result<()>) {
        if Arc::ptr_eq(&self.active_file, file) {
            self.abandoned = true;
            self.unsynced = false;
            answer(std::mem::take(&mut self.waiting), failed);
        }
        for lost in self.closed.extract_if(.., |closed| Arc::ptr_eq(&closed.file, file)) {
            answer(lost.waiting, failed);
        }
    }
}

/// Tells those that wait how a sync went.
pub(super) fn answer(waiting: Waiting, synced: &io::Result<()>) {
    for answer in waiting {
        let result = match synced {
            Ok(()) => Ok(()),
            Err(problem) => Err(io::Error::new(problem.kind(), problem.to_string())),
        };
        // A receiver that is gone no longer waits.
        let _ = answer.send(result);
    }
}
