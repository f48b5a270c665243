//! What librdkafka says on its own, and letting go of its clients.

use std::ops::Deref;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use tracing::{debug, warn};

/// Passes what librdkafka logs on to ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        note_error(&error, reason);
    }
}

impl ConsumerContext for Context {}

/// One line of librdkafka's. It retries by itself, so that none is more than a warning.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => warn!(facility, message, "kafka client"),
        _ => debug!(facility, message, "kafka client"),
    }
}

pub(super) fn note_error(error: &KafkaError, reason: &str) {
    warn!(%error, reason, "kafka client");
}

/// How long a client may take to go before somebody is told.
const FAREWELL: Duration = Duration::from_secs(10);

/// A client that is let go on a thread of its own, because that can block for long, and for ever in the worst case.
#[derive(Debug)]
pub(super) struct Retired<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Retired<T> {
    pub(super) fn new(client: T) -> Self {
        Self(Some(client))
    }
}

impl<T: Send + 'static> Deref for Retired<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("taken only when dropped")
    }
}

impl<T: Send + 'static> Drop for Retired<T> {
    fn drop(&mut self) {
        let client = self.0.take();
        let (gone, is_gone) = sync_channel(1);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
        };
        let farewell = spawn(
            "kafka farewell",
            Box::new(move || {
                drop(client);
                let _ = gone.send(());
            }),
        );
        let watch = farewell.and_then(|()| {
            spawn(
                "kafka watch",
                Box::new(move || {
                    if is_gone.recv_timeout(FAREWELL).is_err() {
                        warn!(seconds = FAREWELL.as_secs(), "a kafka client does not end; leaving it behind");
                    }
                }),
            )
        });
        if let Err(failure) = watch {
            warn!(%failure, "a kafka client was let go without a thread of its own");
        }
    }
}
