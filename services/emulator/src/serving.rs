//! One request being served, from the moment it is accepted until its ledger entry is final.
//!
//! The entry is finished when this is dropped, so that no way of ending (a client that leaves, a shutdown, a panic)
//! leaves a request out of the ledger.

use std::sync::Arc;

use http::StatusCode;

use crate::config::OnDisconnect;
use crate::emulator::{Deployed, Emulator};
use crate::ledger::{Ending, Entry, State};
use crate::metrics;
use crate::wire::Usage;

/// One request being served.
#[derive(Debug)]
pub(crate) struct Serving {
    emulator: Arc<Emulator>,
    deployed: Arc<Deployed>,
    entry: Entry,
    /// What the whole answer uses, generated or not.
    promised: Usage,
    /// What the limiter took for it.
    estimate: u64,
}

impl Serving {
    /// Enters the request in the ledger.
    pub(crate) fn begin(emulator: Arc<Emulator>, deployed: Arc<Deployed>, mut entry: Entry) -> Self {
        emulator.ledger.begin(&mut entry);
        Self { emulator, deployed, entry, promised: Usage::default(), estimate: 0 }
    }

    /// It is answered with an error status and bills nothing.
    pub(crate) fn refuse(&mut self, status: StatusCode) {
        self.entry.status = status.as_u16();
        self.entry.ending = Some(Ending::Refused);
    }

    /// It was admitted: from here on the prompt is billed, and the completion as it is generated.
    pub(crate) fn admit(&mut self, estimate: u64, promised: Usage) {
        self.estimate = estimate;
        self.promised = promised;
        self.entry.prompt_tokens = promised.prompt_tokens;
        self.entry.cached_tokens = promised.cached_tokens;
    }

    /// Reasoning is done.
    pub(crate) fn reasoned(&mut self) {
        self.entry.reasoning_tokens = self.promised.reasoning_tokens;
        self.entry.completion_tokens += self.promised.reasoning_tokens;
    }

    /// So many tokens of text were generated, and sent if it is a stream.
    pub(crate) fn generated(&mut self, tokens: usize) {
        self.entry.completion_tokens += tokens as u64;
    }

    /// The answer says what it used.
    pub(crate) fn reported(&mut self) {
        self.entry.usage_reported = true;
    }

    /// The last byte has been handed to the connection.
    pub(crate) fn complete(&mut self) {
        self.entry.ending.get_or_insert(Ending::Completed);
    }

    /// The answer breaks off here, with so many tokens of text sent. They are what is billed: nothing else arrived.
    pub(crate) fn break_off(mut self, text_tokens: u64) {
        self.entry.ending = Some(Ending::Reset);
        self.entry.completion_tokens = text_tokens;
        self.entry.reasoning_tokens = 0;
    }

    /// How many tokens of text were generated so far.
    pub(crate) fn text_tokens(&self) -> u64 {
        self.entry.completion_tokens - self.entry.reasoning_tokens
    }

    /// The last byte was written, and whether the client was still there then.
    pub(crate) fn written(mut self, client_was_there: bool) {
        self.entry.received_all = client_was_there;
    }

    fn client_left(&mut self) {
        self.entry.ending = Some(Ending::ClientLeft);
        if self.emulator.config.on_disconnect == OnDisconnect::Finish {
            self.entry.completion_tokens = self.promised.completion_tokens;
            self.entry.reasoning_tokens = self.promised.reasoning_tokens;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if self.entry.ending.is_none() {
            self.client_left();
        }
        let now = self.emulator.now();
        let entry = &mut self.entry;
        let used = entry.prompt_tokens - entry.cached_tokens + entry.completion_tokens;
        if self.estimate > 0 {
            self.deployed.limiter().settle(self.estimate, used, now);
        }
        entry.state = State::Done;
        entry.ended_ms = Some(now.as_millis());
        metrics::served(entry);
        self.emulator.ledger.finish(entry.clone());
    }
}
