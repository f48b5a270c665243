//! The events that both sides take to the table, spread evenly over the journal's partitions.

use std::time::Duration;

use anyhow::Context;
use weir_domain::amount::Tokens;
use weir_domain::ids::{
    CallerKeyId, DeploymentId, HoldId, ModelName, NodeId, PoolId, ServiceId, TeamId, UpstreamId,
};
use weir_domain::time::Timestamp;
use weir_domain::usage::{AttemptOutcome, Operation, TokenUsage, UsageBounds, UsageRecorded, UsageSource};
use weir_runtime::ids;
use weir_runtime::journal::config::Partitions;
use weir_runtime::journal::partition_of;

/// 2026-11-20T00:00:00Z: all events are of this day, so that none crosses a month.
const DAY_SECS: i64 = 1_795_132_800;
/// Between two events of a partition.
const APART: Duration = Duration::from_millis(20);
const INPUT_TOKENS: u64 = 350;
const OUTPUT_TOKENS: u64 = 150;
/// What each event says was used.
pub(crate) const TOKENS_EACH: u64 = INPUT_TOKENS + OUTPUT_TOKENS;

/// How many events there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    /// Batches in each partition.
    pub(crate) batches: usize,
    /// Events in each batch.
    pub(crate) batch: usize,
}

impl Amount {
    /// Events in all.
    pub(crate) fn total(self) -> usize {
        self.batches * self.batch * partitions() as usize
    }
}

/// Partitions of the usage topic, as they are by default.
pub(crate) fn partitions() -> u32 {
    Partitions::default().usage
}

/// The events of each partition, in order.
pub(crate) fn events(amount: Amount) -> anyhow::Result<Vec<Vec<UsageRecorded>>> {
    (0..partitions())
        .map(|partition| {
            let template = event(service_of(partition)?)?;
            let count = u32::try_from(amount.batches * amount.batch)?;
            Ok((0..count).map(|number| numbered(&template, number)).collect())
        })
        .collect()
}

/// A service whose events go to this partition.
fn service_of(partition: u32) -> anyhow::Result<ServiceId> {
    let names = (0..).map(|number| format!("service-{number}"));
    let mut fitting = names.filter(|name| partition_of(name.as_bytes(), partitions()) == partition);
    Ok(ServiceId::try_new(&fitting.next().context("names do not end")?)?)
}

fn numbered(template: &UsageRecorded, number: u32) -> UsageRecorded {
    let ended = template.ended.plus(APART * number);
    UsageRecorded {
        id: ids::event_id(),
        request: ids::request_id(),
        attempt: ids::attempt_id(),
        hold: HoldId::new(ids::reservation_id().as_u128()),
        started: ended.minus(Duration::from_millis(900)),
        ended,
        ..template.clone()
    }
}

fn event(service: ServiceId) -> anyhow::Result<UsageRecorded> {
    let ended = Timestamp::from_secs(DAY_SECS);
    Ok(UsageRecorded {
        id: ids::event_id(),
        node: NodeId::try_new("gateway-1")?,
        request: ids::request_id(),
        attempt: ids::attempt_id(),
        attempt_number: 1,
        team: TeamId::try_new("search")?,
        service,
        caller_key: CallerKeyId::try_new("search-first")?,
        pool: PoolId::try_new("chat")?,
        upstream: UpstreamId::try_new("azure-sweden")?,
        deployment: DeploymentId::try_new("gpt-4o")?,
        model: ModelName::try_new("gpt-4o")?,
        operation: Operation::ChatCompletions,
        streamed: true,
        started: ended,
        ended,
        first_byte_after: Some(Duration::from_millis(310)),
        upstream_status: Some(200),
        outcome: AttemptOutcome::Completed,
        usage: TokenUsage {
            input: Tokens::new(INPUT_TOKENS),
            input_cached: Tokens::new(128),
            output: Tokens::new(OUTPUT_TOKENS),
            ..TokenUsage::default()
        },
        usage_source: UsageSource::Reported,
        bounds: UsageBounds::exact(Tokens::new(TOKENS_EACH)),
        hold: HoldId::new(ids::reservation_id().as_u128()),
        held: Tokens::new(1_500),
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
    })
}
