//! `weir events`: what the journal's usage topic says, for people.

use std::collections::VecDeque;

use anyhow::Context;
use weir_domain::ids::RequestId;
use weir_domain::usage::{UsageEvent, UsageRecorded};
use weir_proto::codec;
use weir_proto::record::Topic;
use weir_runtime::journal::StoredRecord;

use crate::config::Config;
use crate::topic_reader::{Book, TopicReader};
use crate::{output, records};

pub(crate) async fn run(config: &Config, request: Option<&str>, last: usize) -> anyhow::Result<()> {
    let request: Option<RequestId> = request.map(str::parse).transpose().context("--request")?;
    let journal = records::journal_to_read(config).await?;
    let mut shown = Shown { request, last, events: VecDeque::new() };
    TopicReader::open(&journal, Topic::Usage).await?.drain(&journal, &mut shown).await?;
    let headings = ["ended", "service", "model", "outcome", "source", "in", "out", "request"];
    output::line(&output::table(&headings, 5, shown.events.iter().map(cells).collect()));
    Ok(())
}

/// The last events that are wanted, by their own time.
struct Shown {
    request: Option<RequestId>,
    last: usize,
    events: VecDeque<UsageRecorded>,
}

impl Book for Shown {
    fn take(&mut self, stored: &StoredRecord) -> bool {
        let Ok(event) = codec::usage_from_record(&stored.record) else { return false };
        let UsageEvent::Recorded(event) = event else { return true };
        if self.request.is_none_or(|wanted| event.request == wanted) {
            let place = self.events.partition_point(|shown| shown.ended <= event.ended);
            self.events.insert(place, *event);
            self.events.drain(..self.events.len().saturating_sub(self.last));
        }
        true
    }
}

fn cells(event: &UsageRecorded) -> Vec<String> {
    vec![
        codec::rfc3339(event.ended),
        event.service.to_string(),
        event.model.to_string(),
        event.outcome.as_str().to_owned(),
        event.usage_source.as_str().to_owned(),
        output::grouped(event.usage.input.get()),
        output::grouped(event.usage.output.get()),
        event.request.to_string(),
    ]
}
