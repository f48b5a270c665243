//! The emulator's own ledger against the rows in ClickHouse, attempt by attempt.

use std::collections::HashMap;

use anyhow::Context;
use serde::Deserialize;
use weir_emulator::ledger::{Entry, State};

use crate::world::World;

/// One usage event as ClickHouse has it. Numbers are asked for as text, since JSON cannot hold all of them.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// The attempt, 32 hexadecimal digits.
    pub attempt: String,
    /// The service.
    pub service: String,
    /// The model.
    pub model: String,
    /// Where the numbers come from.
    pub usage_source: String,
    /// How the attempt ended.
    pub outcome: String,
    /// All input tokens.
    pub input: u64,
    /// The cached part.
    pub cached: u64,
    /// All output tokens.
    pub output: u64,
    /// The reasoning part.
    pub reasoning: u64,
    /// The true total is at least this.
    pub low: u64,
    /// And at most this.
    pub high: u64,
}

const ROWS: &str = "SELECT lower(replaceAll(toString(attempt_id), '-', '')) AS attempt, service, model, usage_source, \
    outcome, input_tokens AS input, input_cached_tokens AS cached, output_tokens AS output, \
    output_reasoning_tokens AS reasoning, total_low_tokens AS low, total_high_tokens AS high \
    FROM weir.usage_events FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 0";

/// Every row there is.
pub async fn rows(world: &World, clickhouse_port: u16) -> anyhow::Result<Vec<Row>> {
    let query = ROWS.bytes().fold(String::new(), |query, byte| query + &format!("%{byte:02X}"));
    let text = world.get(clickhouse_port, &format!("/?query={query}")).await?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// Everything the emulator served.
pub async fn ledger(world: &World) -> anyhow::Result<Vec<Entry>> {
    let text = world.get(world.ports.emulator, "/emulator/v1/ledger").await?;
    Ok(serde_json::from_str(&text)?)
}

/// What the comparison found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Attempts that agree to the token.
    pub equal: usize,
    /// Attempts whose gateway died: counted once, the truth within the stated bounds.
    pub estimated_within_bounds: usize,
    /// Estimates of attempts that never reached the emulator.
    pub estimated_never_served: usize,
    /// Everything else: what is wrong.
    pub problems: Vec<String>,
}

/// Compares them. A row must name an attempt that the emulator served, once, with the same tokens and the right source.
pub fn compare(entries: &[Entry], rows: &[Row]) -> Comparison {
    let mut found = Comparison::default();
    let mut by_attempt: HashMap<&str, &Row> = HashMap::new();
    for row in rows {
        if by_attempt.insert(&row.attempt, row).is_some() {
            found.problems.push(format!("attempt {} is in the table twice", row.attempt));
        }
    }
    for entry in entries {
        let attempt = entry.client_request_id.clone().unwrap_or_default().replace('-', "");
        match by_attempt.remove(attempt.as_str()) {
            None => found.problems.push(format!("served but not in the table: {entry:?}")),
            Some(_) if entry.state == State::InFlight => {
                found.problems.push(format!("still in flight at the emulator: {entry:?}"));
            }
            Some(row) => found.weigh(entry, row),
        }
    }
    for row in by_attempt.into_values() {
        if row.usage_source == "estimated" {
            found.estimated_never_served += 1;
        } else {
            found.problems.push(format!("in the table but never served: {row:?}"));
        }
    }
    found
}

impl Comparison {
    fn weigh(&mut self, entry: &Entry, row: &Row) {
        let served = entry.prompt_tokens + entry.completion_tokens;
        if row.outcome == "gateway_lost" {
            if row.usage_source == "estimated" && (row.low..=row.high).contains(&served) {
                self.estimated_within_bounds += 1;
            } else {
                self.problems.push(format!("outside its bounds: {entry:?} {row:?}"));
            }
            return;
        }
        let source = match entry {
            Entry { status: 400.., .. } => "unbilled",
            Entry { usage_reported: true, .. } => "reported",
            Entry { .. } => "counted",
        };
        let details_agree = source != "reported"
            || (entry.cached_tokens, entry.reasoning_tokens) == (row.cached, row.reasoning);
        let totals_agree = (entry.prompt_tokens, entry.completion_tokens) == (row.input, row.output);
        let same_work = row.model == entry.model && Some(&row.service) == entry.label.as_ref();
        if totals_agree && details_agree && same_work && row.usage_source == source {
            self.equal += 1;
        } else {
            self.problems.push(format!("differs ({source} expected): {entry:?} {row:?}"));
        }
    }
}
