//! Callers whose answers come whole.

use anyhow::ensure;
use bytes::Bytes;
use http_body_util::BodyExt;
use weir_tests::load::closed::Caller;
use weir_tests::load::moment::Moment;

use crate::connection::{Connection, chat};
use crate::upstream::completion;

/// One caller.
pub(crate) struct Chat {
    connection: Connection,
    request: Bytes,
    expected: Bytes,
}

impl Chat {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, request: chat(false), expected: completion().into() }
    }
}

impl Caller for Chat {
    async fn call(&mut self, _: Moment) -> anyhow::Result<()> {
        let answer = self.connection.ask(&self.request).await?;
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(body == self.expected, "not the upstream's answer: {:?}", String::from_utf8_lossy(&body));
        Ok(())
    }
}
