//! Opens the journal that the settings name.

use std::path::Path;
use std::sync::Arc;

use super::config::{Config, Kind};
use super::embedded::EmbeddedJournal;
use super::kafka::KafkaJournal;
use super::{Error, SharedJournal};
use crate::clock::Clock;

/// The embedded journal's directory within the data directory, if the settings name no other.
pub const EMBEDDED_DIR: &str = "journal";

/// Opens the journal that the settings name; an embedded one in the data directory unless they say otherwise.
pub async fn open(config: &Config, clock: Arc<dyn Clock>, data_dir: &Path) -> Result<SharedJournal, Error> {
    match config.kind {
        Kind::Kafka => Ok(Arc::new(KafkaJournal::open(config.kafka.clone()).await?)),
        Kind::Embedded => {
            let embedded = config.embedded.clone();
            let dir = embedded.dir.clone().unwrap_or_else(|| data_dir.join(EMBEDDED_DIR));
            let opening = tokio::task::spawn_blocking({
                let dir = dir.clone();
                move || EmbeddedJournal::open(&dir, &embedded, clock)
            });
            let opened = opening.await.unwrap_or_else(|panicked| {
                Err(Error { operation: format!("open {}", dir.display()), reason: panicked.to_string() })
            });
            Ok(Arc::new(opened?))
        }
    }
}
