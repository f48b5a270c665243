//! The journal and the tables, opened to read: beside a running Weir or without one.

use std::sync::Arc;
use std::time::Duration;

use weir_domain::tally::UsageTally;
use weir_runtime::clock::SystemClock;
use weir_runtime::journal::config::Kind;
use weir_runtime::journal::embedded::EmbeddedJournal;
use weir_runtime::journal::{self, SharedJournal};
use weir_showback::{Reach, Tables};

use crate::config::Config;
use crate::engine::Engine;

/// A month of rows may take a while to add up.
const QUERY_TIMEOUT: Duration = Duration::from_mins(2);

/// Both.
pub(crate) struct Records {
    pub(crate) journal: SharedJournal,
    pub(crate) engine: Engine,
}

impl Records {
    pub(crate) async fn open(config: &Config, own_prefix: &[&str]) -> anyhow::Result<Self> {
        Ok(Self { journal: journal_to_read(config).await?, engine: Engine::open(config, own_prefix).await? })
    }

    /// What the tables say of the records below these offsets.
    pub(crate) async fn usage_tally(&self, reach: &Reach) -> anyhow::Result<UsageTally> {
        let tables = Tables::new(&self.engine.connection, QUERY_TIMEOUT);
        Ok(tables.usage_totals(Some(reach)).await?)
    }

    pub(crate) async fn close(self) {
        self.engine.close().await;
    }
}

/// The journal, to read only: the embedded one beside the process that writes it.
pub(crate) async fn journal_to_read(config: &Config) -> anyhow::Result<SharedJournal> {
    let settings = &config.journal;
    match settings.kind {
        Kind::Embedded => {
            let dir = settings.embedded.dir.clone().unwrap_or_else(|| config.data.dir.join("journal"));
            Ok(Arc::new(EmbeddedJournal::open_read_only(&dir)?))
        }
        Kind::Kafka => Ok(journal::open(settings, Arc::new(SystemClock), &config.data.dir).await?),
    }
}
