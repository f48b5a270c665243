//! The quota topic, as far as people decided it: who, when, why, from which commit, and which version it made; and the
//! thresholds that budgets reached.

use serde_json::json;
use weir_domain::authorship::actor;
use weir_domain::fact::QuotaFact;
use weir_domain::org::{Chronicle, Entry};
use weir_domain::time::Timestamp;
use weir_proto::codec;
use weir_proto::record::Topic;
use weir_runtime::journal::{SharedJournal, StoredRecord};

use super::since;
use crate::cli::Events;
use crate::instant::shown;
use crate::output::{self, Table, name, text, whole};
use crate::topic_reader::{Book, TopicReader};

pub(super) async fn show(journal: &SharedJournal, asked: &Events, now: Timestamp) -> anyhow::Result<()> {
    let mut history = History::new(asked, now);
    TopicReader::open(journal, Topic::Quota).await?.drain(journal, &mut history).await?;
    history.decided.sort_unstable();
    if asked.json {
        for entry in &history.entries {
            output::line(&object(entry, history.version(entry)).to_string());
        }
    } else {
        let rows = history.entries.iter().map(|entry| cells(entry, history.version(entry))).collect();
        let columns = [
            whole("at"),
            whole("version").or_under(),
            name("author").or_under(),
            text("what"),
            text("reason"),
        ];
        output::listed(&Table::new(columns, rows), "no such decisions");
    }
    Ok(())
}

/// What is wanted of the past, by its own time.
struct History<'a> {
    asked: &'a Events,
    since: Timestamp,
    chronicle: Chronicle,
    /// The last entries that are wanted.
    entries: Vec<Entry>,
    /// When each decision was made, wanted or not: their number is the organisation's version.
    decided: Vec<Timestamp>,
}

impl<'a> History<'a> {
    fn new(asked: &'a Events, now: Timestamp) -> Self {
        let since = since(asked, now);
        Self { asked, since, chronicle: Chronicle::default(), entries: Vec::new(), decided: Vec::new() }
    }

    fn wants(&self, entry: &Entry) -> bool {
        let Events { service, pool, author, .. } = self.asked;
        let by = entry.by.as_ref().map(|by| by.author.as_str());
        let is_author = |wanted: &String| by.is_some_and(|by| by == wanted || actor(by) == wanted);
        entry.at >= self.since
            && service.as_ref().is_none_or(|wanted| entry.service.as_ref() == Some(wanted))
            && pool.as_ref().is_none_or(|wanted| entry.pool.as_ref() == Some(wanted))
            && author.as_ref().is_none_or(is_author)
    }

    /// The organisation's version once all that was decided at the same time is made; none for what nobody decided.
    fn version(&self, entry: &Entry) -> Option<usize> {
        entry.by.as_ref().map(|by| self.decided.partition_point(|at| *at <= by.at))
    }

    fn note(&mut self, entry: Entry) {
        let place = self.entries.partition_point(|shown| shown.at <= entry.at);
        self.entries.insert(place, entry);
        self.entries.drain(..self.entries.len().saturating_sub(self.asked.last()));
    }
}

impl Book for History<'_> {
    fn take(&mut self, stored: &StoredRecord) -> bool {
        let Ok(recorded) = codec::quota_event_from_record(&stored.record) else { return false };
        let is_decision = match &recorded.fact {
            QuotaFact::Org(event) => event.is_decision(),
            QuotaFact::Governed { .. } => true,
            QuotaFact::Moved { .. } | QuotaFact::Resumed { .. } => false,
        };
        if is_decision {
            self.decided.push(recorded.fact.at());
        }
        for entry in self.chronicle.tell(&recorded.fact) {
            if self.wants(&entry) {
                self.note(entry);
            }
        }
        true
    }
}

fn cells(entry: &Entry, version: Option<usize>) -> Vec<String> {
    let (author, reason) = match &entry.by {
        Some(by) => {
            let commit = by.commit.as_ref().map_or_else(String::new, |commit| format!(" (commit {commit})"));
            (by.author.clone(), format!("{}{commit}", by.reason))
        }
        None => ("weir".to_owned(), String::new()),
    };
    let version = version.map_or_else(String::new, |version| version.to_string());
    vec![shown(entry.at), version, author, entry.whole(), reason]
}

fn object(entry: &Entry, version: Option<usize>) -> serde_json::Value {
    let by = entry.by.as_ref();
    json!({
        "at": codec::rfc3339(entry.at),
        "version": version,
        "author": by.map(|by| &by.author),
        "reason": by.map(|by| &by.reason),
        "commit": by.and_then(|by| by.commit.as_ref()),
        "pool": entry.pool.as_ref().map(ToString::to_string),
        "service": entry.service.as_ref().map(ToString::to_string),
        "what": entry.whole(),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use weir_domain::authorship::Authorship;
    use weir_domain::fact::QuotaRecorded;
    use weir_domain::ids::EventId;
    use weir_domain::ledger::{Moved, Movement};
    use weir_domain::org::{Decided, Event};
    use weir_domain::policy::Team;
    use weir_runtime::journal::{Offset, Partition};

    use super::*;
    use crate::cli::{Cli, Command};

    fn asked(line: &str) -> Events {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Events(asked) => asked,
            other => panic!("{other:?}"),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    fn team(name: &str, author: &str, second: i64) -> QuotaFact {
        let by = Authorship {
            author: author.into(),
            reason: "new people".into(),
            at: at(second),
            commit: Some("c0ffee".into()),
        };
        let team = Team { id: name.parse().unwrap(), title: name.into(), contact: String::new() };
        QuotaFact::Org(Event { by, what: Decided::TeamDefined(team) })
    }

    fn threshold(second: i64) -> QuotaFact {
        let what = Moved::ThresholdReached { budget: "month".parse().unwrap(), percent: 80 };
        let movement = Movement { at: at(second), service: "chat".parse().unwrap(), what };
        QuotaFact::Moved { pool: "gpt".parse().unwrap(), movements: vec![movement] }
    }

    /// What is shown of three decisions and a threshold, as lines.
    fn told(line: &str) -> Vec<String> {
        let asked = asked(line);
        let mut history = History::new(&asked, at(100));
        let facts =
            [team("a", "ada", 10), team("b", "grace (by bo)", 30), threshold(40), team("c", "ada", 20)];
        let partition = Partition { topic: Topic::Quota, index: 0 };
        for (number, fact) in facts.into_iter().enumerate() {
            let (id, node) = (EventId::new(number as u128), "quota-1".parse().unwrap());
            let record = codec::quota_event_to_record(&QuotaRecorded { id, node, fact });
            assert!(history.take(&StoredRecord { partition, offset: Offset::ZERO, record }));
        }
        history.decided.sort_unstable();
        history.entries.iter().map(|entry| cells(entry, history.version(entry)).join("|")).collect()
    }

    const A: &str = "1970-01-01T00:00:10Z|1|ada|team a: new, title \"a\"|new people (commit c0ffee)";
    const C: &str = "1970-01-01T00:00:20Z|2|ada|team c: new, title \"c\"|new people (commit c0ffee)";
    const B: &str =
        "1970-01-01T00:00:30Z|3|grace (by bo)|team b: new, title \"b\"|new people (commit c0ffee)";
    const T: &str = "1970-01-01T00:00:40Z||weir|budget month of service chat in pool gpt: 80 % used|";

    #[test]
    fn history_is_shown_in_order_of_time_with_who_why_and_which_version() {
        assert_eq!(told("weir events --topic quota"), [A, C, B, T]);
        assert_eq!(told("weir events --topic quota --last 2"), [B, T]);
    }

    #[test]
    fn history_is_shown_of_a_time_an_author_a_service_or_a_pool() {
        assert_eq!(told("weir events --topic quota --since 1970-01-01T00:00:20Z"), [C, B, T]);
        assert_eq!(told("weir events --topic quota --since -70s"), [B, T]);
        assert_eq!(told("weir events --topic quota --author ada"), [A, C]);
        assert_eq!(told("weir events --topic quota --author bo"), [B], "who acted for somebody, too");
        assert_eq!(told("weir events --topic quota --service chat"), [T]);
        assert_eq!(told("weir events --topic quota --pool other"), [""; 0]);
    }

    #[test]
    fn a_program_reads_the_same_as_json() {
        let mut chronicle = Chronicle::default();
        let entry = chronicle.tell(&team("a", "ada", 10)).remove(0);
        let object = object(&entry, Some(1));
        assert_eq!(
            object.to_string(),
            "{\"at\":\"1970-01-01T00:00:10.000000000Z\",\"author\":\"ada\",\"commit\":\"c0ffee\",\"pool\":null,\
             \"reason\":\"new people\",\"service\":null,\"version\":1,\"what\":\"team a: new, title \\\"a\\\"\"}"
        );
    }
}
