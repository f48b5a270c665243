//! The ledger: what was served, request by request, as an independent witness.
//!
//! Counts what it generated itself and never what a client or a gateway says. Holds no text and no key.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::ledger_file::{LedgerFile, LedgerFileError};

/// One request. The token counts stand once `state` is [`State::Done`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts requests from 1, in the order in which they were accepted.
    pub sequence: u64,
    /// Whether it has ended.
    pub state: State,
    /// How it ended.
    pub ending: Option<Ending>,
    /// The client's `x-client-request-id`.
    pub client_request_id: Option<String>,
    /// The client's `x-ms-client-request-id`.
    pub ms_client_request_id: Option<String>,
    /// The client's `x-emulator-label`: whatever it wants to find its requests by.
    #[serde(default)]
    pub label: Option<String>,
    /// The emulator's `x-request-id`.
    pub upstream_request_id: String,
    /// The deployment that served it.
    pub deployment: String,
    /// Its model.
    pub model: String,
    /// The kind of work.
    pub operation: Operation,
    /// Whether a stream was asked for.
    pub streamed: bool,
    /// The HTTP status it was or will be answered with.
    pub status: u16,
    /// Tokens of the prompt that are billed, cached ones included; 0 for an error status.
    pub prompt_tokens: u64,
    /// The part of the prompt that was cached.
    pub cached_tokens: u64,
    /// Tokens of the completion that are billed, reasoning included; after a reset, those of the text that was sent.
    pub completion_tokens: u64,
    /// The part of the completion that was reasoning.
    pub reasoning_tokens: u64,
    /// Whether the answer said what it used, and got as far as saying it.
    pub usage_reported: bool,
    /// Whether the last byte of the answer was written while the client was still there.
    pub received_all: bool,
    /// When the request was accepted, in milliseconds since 1970.
    pub started_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
}

/// Whether a request has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its answer is still being made or sent.
    InFlight,
    /// The entry will not change any more.
    Done,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The whole answer was generated and handed to the connection.
    Completed,
    /// The client left before the answer was complete.
    ClientLeft,
    /// The emulator broke the answer off on purpose.
    Reset,
    /// An error status.
    Refused,
}

/// The kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Chat completions.
    ChatCompletions,
    /// Embeddings.
    Embeddings,
}

/// The sum of all requests that have ended, of one deployment and model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// The deployment.
    pub deployment: String,
    /// Its model.
    pub model: String,
    /// Requests that have ended.
    pub requests: u64,
    /// Those of them that were answered with an error status.
    pub refused: u64,
    /// Tokens of prompts, cached ones included.
    pub prompt_tokens: u64,
    /// Tokens of prompts that were cached.
    pub cached_tokens: u64,
    /// Tokens of completions, reasoning included.
    pub completion_tokens: u64,
    /// Tokens of reasoning.
    pub reasoning_tokens: u64,
    /// Prompts and completions together.
    pub total_tokens: u64,
}

/// All entries, and their sums.
#[derive(Debug)]
pub(crate) struct Ledger {
    inner: Mutex<Inner>,
    in_flight: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    kept_max: usize,
    entries: VecDeque<Entry>,
    totals: BTreeMap<(String, String), Totals>,
    file: Option<LedgerFile>,
}

impl Ledger {
    /// Opens the file, if there is one, and goes on where it ends.
    pub(crate) fn open(file: Option<&Path>, kept_max: usize) -> Result<Self, LedgerFileError> {
        let mut inner = Inner { kept_max, ..Inner::default() };
        if let Some(path) = file {
            let (file, mut found) = LedgerFile::open(path)?;
            found.sort_by_key(|entry| entry.sequence);
            inner.last = found.last().map_or(0, |entry| entry.sequence);
            for entry in found {
                inner.add_to_totals(&entry);
                inner.keep(entry);
            }
            inner.file = Some(file);
        }
        Ok(Self { inner: Mutex::new(inner), in_flight: watch::Sender::new(0) })
    }

    /// Enters a request that was accepted. Its sequence number is given here.
    pub(crate) fn begin(&self, entry: &mut Entry) {
        let mut inner = self.lock();
        inner.last += 1;
        entry.sequence = inner.last;
        inner.keep(entry.clone());
        self.in_flight.send_modify(|count| *count += 1);
    }

    /// Replaces a request's entry by its last state.
    pub(crate) fn finish(&self, entry: Entry) {
        let mut inner = self.lock();
        inner.add_to_totals(&entry);
        if let Some(file) = &mut inner.file {
            file.append(&entry);
        }
        if let Ok(index) = inner.entries.binary_search_by_key(&entry.sequence, |kept| kept.sequence) {
            inner.entries[index] = entry;
        }
        self.in_flight.send_modify(|count| *count -= 1);
    }

    /// The entries after a sequence number, oldest first.
    pub(crate) fn entries_after(&self, sequence: u64) -> Vec<Entry> {
        let inner = self.lock();
        let from = inner.entries.partition_point(|entry| entry.sequence <= sequence);
        inner.entries.range(from..).cloned().collect()
    }

    /// The sums by deployment and model.
    pub(crate) fn totals(&self) -> Vec<Totals> {
        self.lock().totals.values().cloned().collect()
    }

    /// Forgets all requests that have ended, in the file too. Those in flight will be entered when they end.
    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        inner.entries.retain(|entry| entry.state == State::InFlight);
        inner.totals.clear();
        if let Some(file) = &mut inner.file {
            file.clear();
        }
    }

    /// Returns when no request is in flight.
    pub(crate) async fn idle(&self) {
        let mut in_flight = self.in_flight.subscribe();
        in_flight.wait_for(|count| *count == 0).await.expect("the sender lives as long as the ledger");
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, entry: Entry) {
        self.entries.push_back(entry);
        while self.entries.len() > self.kept_max {
            self.entries.pop_front();
        }
    }

    fn add_to_totals(&mut self, entry: &Entry) {
        let key = (entry.deployment.clone(), entry.model.clone());
        let totals = self.totals.entry(key).or_insert_with(|| Totals {
            deployment: entry.deployment.clone(),
            model: entry.model.clone(),
            ..Totals::default()
        });
        totals.requests += 1;
        totals.refused += u64::from(entry.ending == Some(Ending::Refused));
        totals.prompt_tokens += entry.prompt_tokens;
        totals.cached_tokens += entry.cached_tokens;
        totals.completion_tokens += entry.completion_tokens;
        totals.reasoning_tokens += entry.reasoning_tokens;
        totals.total_tokens += entry.prompt_tokens + entry.completion_tokens;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn entry() -> Entry {
        Entry {
            sequence: 0,
            state: State::InFlight,
            ending: None,
            client_request_id: Some("c".to_owned()),
            ms_client_request_id: None,
            label: None,
            upstream_request_id: "u".to_owned(),
            deployment: "d".to_owned(),
            model: "m".to_owned(),
            operation: Operation::ChatCompletions,
            streamed: false,
            status: 200,
            prompt_tokens: 0,
            cached_tokens: 0,
            completion_tokens: 0,
            reasoning_tokens: 0,
            usage_reported: false,
            received_all: false,
            started_ms: 1,
            ended_ms: None,
        }
    }

    fn serve(ledger: &Ledger, prompt_tokens: u64) {
        let mut served = entry();
        ledger.begin(&mut served);
        served.state = State::Done;
        served.prompt_tokens = prompt_tokens;
        ledger.finish(served);
    }

    #[test]
    fn entries_outlive_the_process_in_their_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let ledger = Ledger::open(Some(&path), 10).unwrap();
        serve(&ledger, 5);
        serve(&ledger, 7);
        let (entries, totals) = (ledger.entries_after(0), ledger.totals());
        drop(ledger);

        let again = Ledger::open(Some(&path), 10).unwrap();
        assert_eq!(again.entries_after(0), entries);
        assert_eq!(again.totals(), totals);
        serve(&again, 1);
        assert_eq!(again.entries_after(2)[0].sequence, 3);
        assert_eq!(again.totals()[0].total_tokens, 13);
    }

    #[test]
    fn totals_outlive_the_entries_that_are_forgotten() {
        let ledger = Ledger::open(None, 2).unwrap();
        let mut early = entry();
        ledger.begin(&mut early);
        (0..5).for_each(|_| serve(&ledger, 10));
        ledger.finish(Entry { prompt_tokens: 3, ..early });
        let kept: Vec<_> = ledger.entries_after(0).iter().map(|entry| entry.sequence).collect();
        assert_eq!(kept, [5, 6]);
        assert_eq!(ledger.totals()[0].prompt_tokens, 53);
    }

    #[test]
    fn a_cleared_ledger_keeps_what_is_in_flight() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let ledger = Ledger::open(Some(&path), 10).unwrap();
        serve(&ledger, 10);
        ledger.begin(&mut entry());
        ledger.clear();
        assert_eq!(ledger.entries_after(0).len(), 1);
        assert_eq!(ledger.totals(), []);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "");
    }
}
