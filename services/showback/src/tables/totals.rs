//! Totals over all time, for verification against the journal and the ledger.

use std::collections::BTreeMap;
use std::fmt::Write;

use clickhouse::Row;
use serde::Deserialize;
use weir_domain::amount::{Requests, Tokens};
use weir_domain::ids::{ModelName, PoolId, ServiceId};
use weir_domain::tally::{UsageKey, UsageSum, UsageTally};
use weir_domain::usage::UsageSource;
use weir_proto::record::Topic;
use weir_runtime::journal::{Offset, Partition};

use super::{Error, Tables};

/// Up to where each partition of the usage topic counts, exclusive. Rows beyond are under way, or came since.
pub type Reach = BTreeMap<u32, Offset>;

#[derive(Row, Deserialize)]
struct UsageRow {
    service: String,
    pool: String,
    model: String,
    usage_source: String,
    attempts: u64,
    requests: u64,
    input: u64,
    input_cached: u64,
    output: u64,
}

#[derive(Row, Deserialize)]
struct RefusedRow {
    service: String,
    requests: u64,
}

#[derive(Row, Deserialize)]
struct HighWaterRow {
    partition: u32,
    offset: u64,
}

impl Tables {
    /// Usage by service, pool, model and source; within reach, or all there is.
    pub async fn usage_totals(&self, reach: Option<&Reach>) -> Result<UsageTally, Error> {
        let sql = format!(
            "SELECT service, pool, model, usage_source, count() AS attempts,
                countIf(attempt_number = 1) AS requests, sum(input_tokens) AS input,
                sum(input_cached_tokens) AS input_cached, sum(output_tokens) AS output
            FROM usage_events WHERE {} GROUP BY service, pool, model, usage_source",
            within(reach)
        );
        let rows = self.within("total usage", self.client.query(&sql).fetch_all::<UsageRow>()).await?;
        let mut tally = UsageTally::default();
        for row in rows {
            let (key, sum) = row.parts().ok_or_else(|| strange("total usage"))?;
            tally.insert(key, sum);
        }
        Ok(tally)
    }

    /// Refused requests by service; within reach, or all there are.
    pub async fn refused_totals(
        &self,
        reach: Option<&Reach>,
    ) -> Result<BTreeMap<ServiceId, Requests>, Error> {
        let sql = format!(
            "SELECT service, sum(requests) AS requests FROM refusals WHERE {} GROUP BY service",
            within(reach)
        );
        let rows = self.within("total refusals", self.client.query(&sql).fetch_all::<RefusedRow>()).await?;
        let parts = |row: RefusedRow| {
            let service = ServiceId::try_new(&row.service).map_err(|_| strange("total refusals"))?;
            Ok((service, Requests::new(row.requests)))
        };
        rows.into_iter().map(parts).collect()
    }

    /// The largest offset of each partition of the usage topic that the tables have.
    pub async fn max_offsets(&self) -> Result<BTreeMap<Partition, Offset>, Error> {
        let mut offsets = BTreeMap::new();
        for table in ["usage_events", "refusals"] {
            let sql = format!(
                "SELECT journal_partition AS partition, max(journal_offset) AS offset FROM {table} \
                 WHERE journal_topic = ? GROUP BY journal_topic, journal_partition"
            );
            let query = self.client.query(&sql).bind(Topic::Usage.name());
            for row in self.within("read offsets", query.fetch_all::<HighWaterRow>()).await? {
                let partition = Partition { topic: Topic::Usage, index: row.partition };
                let highest: &mut Offset = offsets.entry(partition).or_default();
                *highest = (*highest).max(Offset::new(row.offset));
            }
        }
        Ok(offsets)
    }
}

impl UsageRow {
    fn parts(&self) -> Option<(UsageKey, UsageSum)> {
        let key = UsageKey {
            service: ServiceId::try_new(&self.service).ok()?,
            pool: PoolId::try_new(&self.pool).ok()?,
            model: ModelName::try_new(&self.model).ok()?,
            source: UsageSource::from_name(&self.usage_source)?,
        };
        let sum = UsageSum {
            attempts: Requests::new(self.attempts),
            requests: Requests::new(self.requests),
            input: Tokens::new(self.input),
            input_cached: Tokens::new(self.input_cached),
            output: Tokens::new(self.output),
        };
        Some((key, sum))
    }
}

/// A row holds what no aggregator writes.
fn strange(operation: &'static str) -> Error {
    let source = clickhouse::error::Error::Custom("a row has names that are none of Weir's".to_owned());
    Error::ClickHouse { operation, source }
}

fn within(reach: Option<&Reach>) -> String {
    let topic = format!("journal_topic = '{}'", Topic::Usage.name());
    let Some(reach) = reach else { return topic };
    let mut partitions = String::from("false");
    for (index, until) in reach {
        write!(partitions, " OR (journal_partition = {index} AND journal_offset < {until})")
            .expect("a string takes all");
    }
    format!("{topic} AND ({partitions})")
}
