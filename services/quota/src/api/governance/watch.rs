//! The directory, for as long as a gateway listens.

use futures_util::{Stream, stream};
use tonic::Status;
use weir_proto::codec::directory_to_wire;
use weir_proto::governance::v1 as wire;

use super::Governance;

impl Governance {
    /// The directory now and after every change. Whoever is slow misses versions in between, never the last. Ends with
    /// the service, so that shutdown does not wait for it.
    pub(super) fn directories(&self) -> impl Stream<Item = Result<wire::Directory, Status>> + Send + use<> {
        let mut directory = self.org.directory();
        directory.mark_changed();
        stream::unfold((directory, self.shutdown.clone()), |(mut directory, shutdown)| async move {
            shutdown.run_until_cancelled(directory.changed()).await?.ok()?;
            let now = directory_to_wire(&directory.borrow_and_update());
            Some((Ok(now), (directory, shutdown)))
        })
    }
}
