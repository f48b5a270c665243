//! The tables in ClickHouse, over its HTTP interface.
//!
//! Inserts are built whole and then sent, with `async_insert` off (it is on by default and would answer before the
//! rows are there) and with timeouts (the client has none).

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clickhouse::{Client, Row};
use secrecy::ExposeSecret;
use serde::Deserialize;
use weir_domain::ids::{EventId, NodeId, ServiceId};
use weir_proto::record::Topic;
use weir_runtime::clickhouse::Connection;
use weir_runtime::clock::Clock;
use weir_runtime::journal::{Offset, Partition};

use super::rows::{Place, PriceRow, RefusalRow, UsageRow, Uuid};
use super::{DuplicateSearch, Error, Rows, Span, Table, Warehouse};
use crate::batch::Identity;
use crate::config::Config;
use crate::intent::Range;
use crate::schema;

/// More services than this are not worth naming in a search: the statement would outgrow `max_query_size`.
const SERVICES_NAMED_MAX: usize = 1_000;

/// The tables in ClickHouse.
#[derive(Clone)]
pub(crate) struct ClickHouse {
    client: Client,
    connection: Connection,
    clock: Arc<dyn Clock>,
    insert_timeout: Duration,
    query_timeout: Duration,
}

impl ClickHouse {
    pub(crate) fn new(connection: Connection, clock: Arc<dyn Clock>, config: &Config) -> Self {
        let mut client = Client::default()
            .with_url(&connection.url)
            .with_user(&connection.user)
            .with_database(connection.database.as_str());
        if let Some(password) = &connection.password {
            client = client.with_password(password.expose_secret());
        }
        let insert_timeout = Duration::from_millis(config.insert_timeout_ms);
        let query_timeout = Duration::from_millis(config.query_timeout_ms);
        Self { client, connection, clock, insert_timeout, query_timeout }
    }

    /// Makes the database and its tables, or brings them up to date.
    pub(crate) async fn migrate(&self) -> Result<(), schema::Error> {
        schema::migrate(&self.client, self.connection.database.as_str()).await
    }

    async fn send<R, T>(
        &self,
        (token, table): (&str, Table),
        rows: &[T],
        row: impl Fn(&T) -> R::Value<'_>,
    ) -> Result<(), clickhouse::error::Error>
    where
        R: Row + clickhouse::RowWrite,
    {
        let mut insert = self
            .client
            .insert::<R>(table.name())
            .await?
            .with_timeouts(Some(self.insert_timeout), Some(self.insert_timeout))
            .with_setting("insert_deduplication_token", token)
            .with_setting("insert_deduplicate", "1")
            .with_setting("async_insert", "0")
            // A batch may hold events of many months: a gateway with a wrong clock must not block its partition.
            .with_setting("max_partitions_per_insert_block", "0");
        for placed in rows {
            insert.write(&row(placed)).await?;
        }
        insert.end().await
    }

    async fn within<T>(
        &self,
        operation: impl FnOnce() -> String,
        asked: impl Future<Output = Result<T, clickhouse::error::Error>>,
    ) -> Result<T, Error> {
        let answer = tokio::time::timeout(self.query_timeout, asked).await;
        let reason = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(problem)) => problem.to_string(),
            Err(_) => format!("no answer within {} ms", self.query_timeout.as_millis()),
        };
        Err(Error { operation: operation(), reason })
    }
}

#[derive(Row, Deserialize)]
struct KnownRow {
    node: String,
    event_id: Uuid,
}

#[derive(Row, Deserialize)]
struct OffsetRow {
    journal_offset: u64,
}

#[async_trait]
impl Warehouse for ClickHouse {
    async fn insert(&self, token: &str, range: &Range, rows: &Rows) -> Result<(), Error> {
        let ingested = self.clock.now();
        let place = |offset| Place { partition: range.partition, offset, ingested };
        let at = (token, rows.table());
        let sent = match rows {
            Rows::UsageEvents(rows) => {
                self.send::<UsageRow<'_>, _>(at, rows, |row| UsageRow::new(place(row.offset), &row.fact))
                    .await
            }
            Rows::Refusals(rows) => {
                self.send::<RefusalRow<'_>, _>(at, rows, |row| RefusalRow::new(place(row.offset), &row.fact))
                    .await
            }
            Rows::Prices(rows) => {
                self.send::<PriceRow<'_>, _>(at, rows, |row| PriceRow::new(place(row.offset), &row.fact))
                    .await
            }
        };
        sent.map_err(|problem| Error { operation: format!("insert {token}"), reason: problem.to_string() })
    }

    async fn known(&self, search: &DuplicateSearch<'_>) -> Result<HashSet<Identity>, Error> {
        let sql = search_sql(search);
        let services: Vec<&str> = search.services.iter().map(ServiceId::as_str).collect();
        let mut query = self
            .client
            .query(&sql)
            .bind(search.partition.topic.name())
            .bind(search.partition.index)
            .bind(search.before.get());
        if services.len() <= SERVICES_NAMED_MAX {
            query = query.bind(services);
        }
        let asked = async {
            let mut known = HashSet::new();
            let mut rows = query.fetch::<KnownRow>()?;
            while let Some(row) = rows.next().await? {
                let id = EventId::new(row.event_id.as_u128());
                let identity = NodeId::try_new(&row.node).ok().map(|node| (node, id));
                known.extend(identity.filter(|identity| search.candidates.contains(identity)));
            }
            Ok(known)
        };
        let operation = || format!("look for duplicates of {} before {}", search.partition, search.before);
        self.within(operation, asked).await
    }

    async fn present(&self, table: Table, range: &Range, span: Span) -> Result<BTreeSet<Offset>, Error> {
        let sql = format!(
            "SELECT journal_offset FROM {} WHERE journal_topic = ? AND journal_partition = ? \
             AND journal_offset BETWEEN ? AND ? AND {}",
            table.name(),
            within_span(table, span),
        );
        let query = self.client.query(&sql).bind(range.partition.topic.name()).bind(range.partition.index);
        let asked = query.bind(range.from.get()).bind(range.to.get()).fetch_all::<OffsetRow>();
        let rows = self.within(|| format!("look for the rows of {range}"), asked).await?;
        Ok(rows.into_iter().map(|row| Offset::new(row.journal_offset)).collect())
    }

    async fn high_water(&self, partition: Partition) -> Result<Option<Offset>, Error> {
        let mut highest = None;
        for table in tables_of(partition.topic) {
            // Grouped as the projection is, so that it is read instead of the rows.
            let sql = format!(
                "SELECT max(journal_offset) AS journal_offset FROM {} \
                 WHERE journal_topic = ? AND journal_partition = ? GROUP BY journal_topic, journal_partition",
                table.name()
            );
            let query = self.client.query(&sql).bind(partition.topic.name()).bind(partition.index);
            let asked = query.fetch_optional::<OffsetRow>();
            let row = self.within(|| format!("read the high water of {partition}"), asked).await?;
            highest = highest.max(row.map(|row| Offset::new(row.journal_offset)));
        }
        Ok(highest)
    }
}

fn tables_of(topic: Topic) -> &'static [Table] {
    match topic {
        Topic::Usage => &[Table::UsageEvents, Table::Refusals],
        Topic::Quota => &[Table::Prices],
        Topic::DeadLetter => &[],
    }
}

fn search_sql(search: &DuplicateSearch<'_>) -> String {
    let mut sql = format!(
        "SELECT node, event_id FROM {} WHERE journal_topic = ? AND journal_partition = ? AND journal_offset < ?",
        search.table.name()
    );
    if search.services.len() <= SERVICES_NAMED_MAX {
        sql += " AND service IN ?";
    }
    let spans: Vec<String> = search.spans.iter().map(|span| within_span(search.table, *span)).collect();
    write!(sql, " AND ({})", spans.join(" OR ")).expect("a string takes all");
    sql
}

fn within_span(table: Table, (first, last): Span) -> String {
    format!(
        "({} BETWEEN fromUnixTimestamp64Nano({}) AND fromUnixTimestamp64Nano({}))",
        table.time_column(),
        first.as_nanos(),
        last.as_nanos()
    )
}
