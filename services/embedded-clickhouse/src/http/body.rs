//! Bodies of requests, read whole and within bounds before anything is done with them.
//!
//! So a client that leaves in the middle of an `INSERT` inserts nothing, and a slow one holds no thread.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::exception::{
    Exception, NETWORK_ERROR, SOCKET_TIMEOUT, TOO_MANY_BYTES, TOO_MANY_SIMULTANEOUS_QUERIES,
};

/// The most bytes that a request's body may have, compressed or not: batches beyond that belong into several requests.
pub(super) const BODY_BYTES_MAX: usize = 128 << 20;
/// The most bytes that all bodies in memory may have, so that many large inserts at once cannot exhaust a machine.
const BODIES_BYTES_MAX: usize = 512 << 20;
/// How long a body may stand still: ClickHouse's `http_receive_timeout`.
const STILL_MAX: Duration = Duration::from_secs(30);
/// Memory is counted in pieces of this size.
const UNIT_BYTES: usize = 1024;

/// Counts the memory of all bodies.
#[derive(Debug, Clone)]
pub(super) struct Bodies {
    units: Arc<Semaphore>,
}

/// A body and its share of the memory, given back when the last reference is gone.
struct Counted {
    bytes: Bytes,
    _units: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bodies {
    pub(super) fn new() -> Self {
        Self { units: Arc::new(Semaphore::new(BODIES_BYTES_MAX / UNIT_BYTES)) }
    }

    /// Reads a body to its end.
    pub(super) async fn read(&self, mut body: Body) -> Result<Bytes, Exception> {
        let mut bytes = BytesMut::new();
        let mut units: Option<OwnedSemaphorePermit> = None;
        loop {
            let next = tokio::time::timeout(STILL_MAX, body.frame()).await.map_err(|_| stood_still())?;
            let Some(frame) = next else { break };
            let frame = frame.map_err(|error| {
                Exception::new(NETWORK_ERROR, format_args!("the body ended before its end: {error}"))
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > BODY_BYTES_MAX {
                let text = format_args!("a request may have {BODY_BYTES_MAX} bytes of data; send several");
                return Err(Exception::new(TOO_MANY_BYTES, text));
            }
            let more = self.take(data.len())?;
            match &mut units {
                Some(units) => units.merge(more),
                None => units = Some(more),
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Bytes::from_owner(Counted { bytes: bytes.freeze(), _units: units }))
    }

    /// Counts bytes that were made from a body.
    pub(super) fn count(&self, bytes: Bytes) -> Result<Bytes, Exception> {
        let units = self.take(bytes.len())?;
        Ok(Bytes::from_owner(Counted { bytes, _units: Some(units) }))
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Exception> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        Arc::clone(&self.units).try_acquire_many_owned(units).map_err(|_| {
            let text =
                format_args!("Too many simultaneous inserts: their bodies have {BODIES_BYTES_MAX} bytes");
            Exception::new(TOO_MANY_SIMULTANEOUS_QUERIES, text)
        })
    }
}

fn stood_still() -> Exception {
    let text = format_args!("no byte of the body came for {} seconds", STILL_MAX.as_secs());
    Exception::new(SOCKET_TIMEOUT, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_body() {
        let pieces = [Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("gone"))];
        let error = Bodies::new().read(Body::from_stream(stream::iter(pieces))).await.unwrap_err();
        assert_eq!(error.code, 210);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_is_given_up() {
        let body = Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
        assert_eq!(Bodies::new().read(body).await.unwrap_err().code, 209);
    }

    #[tokio::test]
    async fn a_body_beyond_the_bound_is_refused() {
        let piece = Bytes::from(vec![0; 1 << 20]);
        let body =
            stream::iter(std::iter::repeat_n(piece, (BODY_BYTES_MAX >> 20) + 1).map(std::io::Result::Ok));
        assert_eq!(Bodies::new().read(Body::from_stream(body)).await.unwrap_err().code, 307);
    }

    #[tokio::test]
    async fn memory_is_given_back_with_the_last_reference() {
        let bodies = Bodies { units: Arc::new(Semaphore::new(2)) };
        let first = bodies.read(Body::from(vec![0; 2 * UNIT_BYTES])).await.unwrap();
        let part = first.slice(..1);
        drop(first);
        assert_eq!(bodies.read(Body::from("x")).await.unwrap_err().code, 202);
        drop(part);
        assert_eq!(bodies.read(Body::from("x")).await.unwrap(), "x");
    }
}
