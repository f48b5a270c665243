//! Connections to one upstream that are not in use.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::link::Link;

/// Idle connections are closed before load balancers do it (Azure's after four minutes), so that no request meets a
/// connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// The most idle connections that are kept. Above it the one that was idle for longest is closed.
const IDLE_MAX: usize = 512;

/// Idle connections; the one used last is used first, so that the others can be closed.
#[derive(Default)]
pub(crate) struct Pool(Mutex<VecDeque<Idle>>);

struct Idle {
    link: Link,
    since: Instant,
}

impl Pool {
    /// Takes a connection that can be used, if there is one.
    pub(crate) async fn take(&self) -> Option<Link> {
        loop {
            let Idle { mut link, since } = self.lock().pop_back()?;
            if since.elapsed() < IDLE_TIMEOUT && link.is_usable().await {
                return Some(link);
            }
        }
    }

    /// Keeps a connection for later.
    pub(crate) fn put(&self, link: Link) {
        let mut idle = self.lock();
        idle.push_back(Idle { link, since: Instant::now() });
        while idle.len() > IDLE_MAX
            || idle.front().is_some_and(|oldest| oldest.since.elapsed() > IDLE_TIMEOUT)
        {
            idle.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
