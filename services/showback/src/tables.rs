//! The tables, read: every query of showback. The aggregator owns their definition and writes them.

mod events;
mod report;
mod totals;

use std::future::Future;
use std::time::Duration;

use clickhouse::Client;
use secrecy::ExposeSecret;
use weir_runtime::clickhouse::Connection;

pub use events::UsageEventView;
pub(crate) use report::Edges;
pub use totals::Reach;

/// A handle on the tables. Clones share its connections.
#[derive(Clone)]
pub struct Tables {
    client: Client,
    timeout: Duration,
}

/// Why the tables could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No aggregator has made them yet.
    #[error("there are no tables yet; they are made when an aggregator first runs")]
    NoTables,
    /// More rows than anybody reads.
    #[error("the report has more than {rows_max} rows; ask for less time, one team, or fewer dimensions")]
    TooManyRows {
        /// How many there may be.
        rows_max: usize,
    },
    /// ClickHouse did not answer in time.
    #[error("clickhouse did not {operation} within {timeout_ms} ms")]
    TimedOut {
        /// What was asked.
        operation: &'static str,
        /// How long it was waited for.
        timeout_ms: u128,
    },
    /// ClickHouse could not be asked, or did not understand.
    #[error("clickhouse cannot {operation}: {source}")]
    ClickHouse {
        /// What was asked.
        operation: &'static str,
        /// Why not.
        source: clickhouse::error::Error,
    },
}

impl Tables {
    /// A handle on the tables at a connection. Nothing is sent yet.
    pub fn new(connection: &Connection, timeout: Duration) -> Self {
        let mut client = Client::default()
            .with_url(&connection.url)
            .with_user(&connection.user)
            .with_database(connection.database.as_str());
        if let Some(password) = &connection.password {
            client = client.with_password(password.expose_secret());
        }
        Self { client, timeout }
    }

    /// Whether the tables can be read.
    pub async fn check(&self) -> Result<(), Error> {
        let query = self.client.query("SELECT max(version) FROM weir_schema");
        self.within("read the schema's version", query.fetch_one::<u32>()).await.map(drop)
    }

    async fn within<T>(
        &self,
        operation: &'static str,
        asked: impl Future<Output = clickhouse::error::Result<T>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.timeout, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) if is_absence(&source) => Err(Error::NoTables),
            Ok(Err(source)) => Err(Error::ClickHouse { operation, source }),
            Err(_) => Err(Error::TimedOut { operation, timeout_ms: self.timeout.as_millis() }),
        }
    }
}

/// ClickHouse's codes for a table and a database that do not exist.
const ABSENCES: [&str; 2] = ["UNKNOWN_TABLE", "UNKNOWN_DATABASE"];

fn is_absence(problem: &clickhouse::error::Error) -> bool {
    let text = problem.to_string();
    ABSENCES.iter().any(|code| text.contains(code))
}
