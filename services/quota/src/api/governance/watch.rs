//! The directory, for as long as a gateway listens.

use std::sync::Arc;

use futures_util::stream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use weir_domain::directory::Directory;
use weir_proto::codec::directory_to_wire;
use weir_proto::governance::v1 as wire;

use super::{Directories, Governance};
use crate::auth::{Authenticator, Caller};

struct Watch {
    directory: watch::Receiver<Arc<Directory>>,
    caller: Caller,
    authenticator: Arc<Authenticator>,
    shutdown: CancellationToken,
}

impl Governance {
    /// The directory now and after every change. Whoever is slow misses versions in between, never the last. Ends with
    /// the service, so that shutdown does not wait for it, and at the first change after the caller's key was revoked.
    pub(super) fn watch(&self, caller: Caller) -> Directories {
        let mut directory = self.org.directory();
        directory.mark_changed();
        let (authenticator, shutdown) = (Arc::clone(&self.authenticator), self.shutdown.clone());
        let watch = Watch { directory, caller, authenticator, shutdown };
        Box::pin(stream::unfold(Some(watch), |watch| async move {
            let mut watch = watch?;
            let next = watch.next().await?;
            let goes_on = next.is_ok();
            Some((next, goes_on.then_some(watch)))
        }))
    }
}

impl Watch {
    async fn next(&mut self) -> Option<Result<wire::Directory, Status>> {
        self.shutdown.run_until_cancelled(self.directory.changed()).await?.ok()?;
        if !self.authenticator.is_still_known(&self.caller) {
            return Some(Err(Status::unauthenticated("the key or token has been revoked or has expired")));
        }
        Some(Ok(directory_to_wire(&self.directory.borrow_and_update())))
    }
}
