//! The schema: the tables' definitions as numbered migrations, applied in order and remembered in `weir_schema`.
//!
//! Every statement may be repeated (`IF NOT EXISTS`), so that a crash between two of them, or two aggregators at
//! once, do no harm. Migrations are never edited once they have been released; a change is a new one.

use clickhouse::{Client, Row};
use serde::Deserialize;

/// A step of the schema.
struct Migration {
    version: u32,
    name: &'static str,
    /// Statements, each ended by a semicolon at the end of its line.
    sql: &'static str,
}

const MIGRATIONS: [Migration; 1] =
    [Migration { version: 1, name: "usage", sql: include_str!("sql/0001_usage.sql") }];

/// The version that this program makes and needs.
pub const VERSION: u32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

const REMEMBER: &str = "CREATE TABLE IF NOT EXISTS weir_schema (
    version UInt32,
    name String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = MergeTree ORDER BY version";

/// Why the schema is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The database was made by a later version of Weir.
    #[error("tables have schema version {found}, this program knows {VERSION}; run the newer one")]
    Newer {
        /// What was found.
        found: u32,
    },
    /// ClickHouse did not do it.
    #[error("clickhouse cannot {operation}: {source}")]
    ClickHouse {
        /// What was tried.
        operation: &'static str,
        /// Why not.
        source: clickhouse::error::Error,
    },
}

#[derive(Row, Deserialize)]
struct Version {
    version: u32,
}

/// Makes the database and brings its tables to [`VERSION`].
pub(crate) async fn migrate(client: &Client, database: &str) -> Result<(), Error> {
    let failed = |operation| move |source| Error::ClickHouse { operation, source };
    let outside = client.clone().with_database("default");
    let create = format!("CREATE DATABASE IF NOT EXISTS {database}");
    outside.query_raw(&create).execute().await.map_err(failed("create the database"))?;
    client.query_raw(REMEMBER).execute().await.map_err(failed("create weir_schema"))?;
    let found = version(client).await?;
    if found > VERSION {
        return Err(Error::Newer { found });
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        apply(client, migration).await.map_err(failed("migrate the schema"))?;
        tracing::info!(version = migration.version, name = migration.name, "schema migrated");
    }
    client.clear_cached_metadata().await;
    Ok(())
}

async fn version(client: &Client) -> Result<u32, Error> {
    let newest = "SELECT max(version) AS version FROM weir_schema";
    let row = client.query(newest).fetch_one::<Version>().await;
    row.map(|row| row.version).map_err(|source| Error::ClickHouse { operation: "read weir_schema", source })
}

async fn apply(client: &Client, migration: &Migration) -> Result<(), clickhouse::error::Error> {
    for statement in statements(migration.sql) {
        client.query_raw(statement).execute().await?;
    }
    let remember = "INSERT INTO weir_schema (version, name) VALUES (?, ?)";
    client.query(remember).bind(migration.version).bind(migration.name).execute().await
}

fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_up_without_gaps() {
        let versions: Vec<_> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        assert_eq!(versions, (1..=VERSION).collect::<Vec<_>>());
    }

    #[test]
    fn every_statement_may_be_repeated_and_every_table_remembers_tokens() {
        for statement in MIGRATIONS.iter().flat_map(|migration| statements(migration.sql)) {
            assert!(statement.contains("IF NOT EXISTS"), "{statement}");
            assert!(statement.contains("non_replicated_deduplication_window = 10000"), "{statement}");
        }
    }
}
