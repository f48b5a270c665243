//! The usage topic: one event for each attempt.

use std::collections::VecDeque;

use serde_json::json;
use weir_domain::ids::RequestId;
use weir_domain::time::Timestamp;
use weir_domain::usage::{UsageEvent, UsageRecorded};
use weir_proto::codec;
use weir_proto::record::Topic;
use weir_runtime::journal::{SharedJournal, StoredRecord};

use super::since;
use crate::cli::Events;
use crate::instant::shown;
use crate::output::{self, Table, name, number, whole};
use crate::topic_reader::{Book, TopicReader};

pub(super) async fn show(journal: &SharedJournal, asked: &Events, now: Timestamp) -> anyhow::Result<()> {
    let mut wanted =
        Shown { request: asked.request, asked, since: since(asked, now), events: VecDeque::new() };
    TopicReader::open(journal, Topic::Usage).await?.drain(journal, &mut wanted).await?;
    if asked.json {
        wanted.events.iter().for_each(|event| output::line(&object(event).to_string()));
        return Ok(());
    }
    output::listed(&table(&wanted.events), "no such events");
    Ok(())
}

fn table(events: &VecDeque<UsageRecorded>) -> Table {
    let columns = [
        whole("ended"),
        whole("request").or_under(),
        name("service"),
        name("model").or_under(),
        name("outcome"),
        name("source").or_under(),
        number("in"),
        number("out").or_under(),
    ];
    Table::new(columns, events.iter().map(cells).collect())
}

/// The last events that are wanted, by their own time.
struct Shown<'a> {
    request: Option<RequestId>,
    asked: &'a Events,
    since: Timestamp,
    events: VecDeque<UsageRecorded>,
}

impl Shown<'_> {
    fn wants(&self, event: &UsageRecorded) -> bool {
        self.request.is_none_or(|wanted| event.request == wanted)
            && self.asked.service.as_ref().is_none_or(|wanted| event.service == *wanted)
            && self.asked.pool.as_ref().is_none_or(|wanted| event.pool == *wanted)
            && event.ended >= self.since
    }
}

impl Book for Shown<'_> {
    fn take(&mut self, stored: &StoredRecord) -> bool {
        let Ok(event) = codec::usage_from_record(&stored.record) else { return false };
        let UsageEvent::Recorded(event) = event else { return true };
        if self.wants(&event) {
            let place = self.events.partition_point(|shown| shown.ended <= event.ended);
            self.events.insert(place, *event);
            self.events.drain(..self.events.len().saturating_sub(self.asked.last()));
        }
        true
    }
}

fn cells(event: &UsageRecorded) -> Vec<String> {
    vec![
        shown(event.ended),
        event.request.to_string(),
        event.service.to_string(),
        event.model.to_string(),
        event.outcome.as_str().to_owned(),
        event.usage_source.as_str().to_owned(),
        output::grouped(event.usage.input.get()),
        output::grouped(event.usage.output.get()),
    ]
}

fn object(event: &UsageRecorded) -> serde_json::Value {
    json!({
        "ended": codec::rfc3339(event.ended),
        "service": event.service.as_str(),
        "pool": event.pool.as_str(),
        "model": event.model.as_str(),
        "outcome": event.outcome.as_str(),
        "source": event.usage_source.as_str(),
        "input_tokens": event.usage.input.get(),
        "output_tokens": event.usage.output.get(),
        "request": event.request.to_string(),
    })
}
