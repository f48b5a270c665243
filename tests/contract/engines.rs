//! The implementations that the contract runs on.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use weir_runtime::clock::SystemClock;
use weir_runtime::journal::SharedJournal;
use weir_runtime::journal::config::{EmbeddedConfig, Fsync, KafkaConfig};
use weir_runtime::journal::embedded::EmbeddedJournal;
use weir_runtime::journal::kafka::KafkaJournal;
use weir_runtime::journal::memory::MemoryJournal;
use weir_tests::kafka::{KafkaBroker, Missing};

/// An implementation.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    fn name(&self) -> &'static str;

    /// Starts what it needs; takes as long as it takes.
    fn prepare(&self) -> Result<(), Missing> {
        Ok(())
    }

    /// A journal to test. Its topics may hold what other tests appended: use keys and groups of your own.
    async fn fresh(&self) -> anyhow::Result<Fresh>;
}

pub(crate) struct Fresh {
    pub(crate) journal: SharedJournal,
    /// Dropped after the test.
    pub(crate) keep: Box<dyn Any + Send>,
}

pub(crate) fn all() -> Vec<Arc<dyn Engine>> {
    let embedded = |name, config| Arc::new(Embedded { name, config });
    let small =
        EmbeddedConfig { fsync: Fsync::IntervalMs(20), segment_bytes: 4 * 1024, ..EmbeddedConfig::default() };
    let unsynced = EmbeddedConfig { fsync: Fsync::Never, ..EmbeddedConfig::default() };
    vec![
        Arc::new(Memory),
        embedded("embedded", EmbeddedConfig::default()),
        embedded("embedded_in_small_segments", small),
        embedded("embedded_unsynced", unsynced),
        Arc::new(Kafka),
    ]
}

struct Memory;

#[async_trait]
impl Engine for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn fresh(&self) -> anyhow::Result<Fresh> {
        Ok(Fresh { journal: Arc::new(MemoryJournal::new()), keep: Box::new(()) })
    }
}

struct Embedded {
    name: &'static str,
    config: EmbeddedConfig,
}

#[async_trait]
impl Engine for Embedded {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn fresh(&self) -> anyhow::Result<Fresh> {
        let dir = tempfile::tempdir()?;
        let journal = open(dir.path(), &self.config)?;
        Ok(Fresh { journal: Arc::new(journal), keep: Box::new(dir) })
    }
}

struct Kafka;

#[async_trait]
impl Engine for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn prepare(&self) -> Result<(), Missing> {
        KafkaBroker::shared().map(drop)
    }

    async fn fresh(&self) -> anyhow::Result<Fresh> {
        let brokers = KafkaBroker::shared()?.bootstrap();
        let config = KafkaConfig { brokers, ..KafkaConfig::default() };
        let journal = KafkaJournal::open(config).await?;
        Ok(Fresh { journal: Arc::new(journal), keep: Box::new(()) })
    }
}

/// Opens an embedded journal with the machine's clock.
pub(crate) fn open(dir: &Path, config: &EmbeddedConfig) -> anyhow::Result<EmbeddedJournal> {
    Ok(EmbeddedJournal::open(dir, config, Arc::new(SystemClock))?)
}
