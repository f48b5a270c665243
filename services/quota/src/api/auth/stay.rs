//! Answers that go on and on end when whoever gets them is no longer known.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::watch;
use tonic::Status;
use weir_domain::directory::Directory;

use crate::auth::{Authenticator, Caller};

/// How late it may be seen that a key or a token has expired. That one was revoked is seen at once.
const LOOK_INTERVAL: Duration = Duration::from_mins(1);

/// Looks after how long callers stay known.
#[derive(Clone)]
pub(crate) struct Stay {
    authenticator: Arc<Authenticator>,
    /// Changes whenever the organisation does.
    directory: watch::Receiver<Arc<Directory>>,
}

impl Stay {
    pub(crate) fn new(authenticator: Arc<Authenticator>, directory: watch::Receiver<Arc<Directory>>) -> Self {
        Self { authenticator, directory }
    }

    /// The answers, and an error in place of those that come after the caller's key was revoked or has expired.
    pub(in crate::api) fn limit<T, S>(
        &self,
        caller: Caller,
        answers: S,
    ) -> impl Stream<Item = Result<T, Status>> + Send + use<T, S>
    where
        T: Send,
        S: Stream<Item = Result<T, Status>> + Send,
    {
        let gone = Box::pin(self.clone().gone(caller));
        stream::unfold((Box::pin(answers), Some(gone)), |(mut answers, mut gone)| async move {
            let left = gone.as_mut()?;
            tokio::select! {
                biased;
                () = left => {
                    let status = Status::unauthenticated("the key or token has been revoked or has expired");
                    Some((Err(status), (answers, None)))
                }
                answer = answers.next() => Some((answer?, (answers, gone))),
            }
        })
    }

    /// Returns when somebody is no longer known.
    async fn gone(mut self, caller: Caller) {
        while self.authenticator.is_still_known(&caller) {
            // An error is the end of the service, which ends its answers by itself.
            let changed = pin!(self.directory.changed());
            if let Ok(Err(_)) = tokio::time::timeout(LOOK_INTERVAL, changed).await {
                std::future::pending::<()>().await;
            }
        }
    }
}
