//! `weir verify`: journal = ledger = report, to the token, or what differs.
//!
//! The journal and the ledger are compared hold by hold, the journal and the tables sum by sum. Traffic may go on:
//! what was read from the journal a moment ago must have arrived everywhere a moment later.

mod books;

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use weir_domain::amount::Tokens;
use weir_domain::tally::{UsageSum, UsageTally};
use weir_proto::record::Topic;

use crate::config::Config;
use crate::output;
use crate::records::Records;
use crate::topic_reader::TopicReader;
use books::{Charge, Key, Settled, Usage};

/// The exit code if the journal or the tables cannot be read.
const CANNOT_KNOW: u8 = 2;
/// Between two looks while something is on its way.
const PAUSE: Duration = Duration::from_millis(500);
/// How many differing holds are printed; the rest is counted.
const SHOWN_MAX: usize = 20;

pub(crate) async fn run(config: &Config, wait_secs: u64, own_prefix: &[&str]) -> anyhow::Result<ExitCode> {
    let verdict = match look(config, Duration::from_secs(wait_secs), own_prefix).await {
        Ok(verdict) => verdict,
        Err(problem) => {
            output::failure(&problem.context("cannot verify"));
            return Ok(ExitCode::from(CANNOT_KNOW));
        }
    };
    for line in &verdict.lines {
        output::line(line);
    }
    Ok(if verdict.agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn look(config: &Config, wait: Duration, own_prefix: &[&str]) -> anyhow::Result<Verdict> {
    let records = Records::open(config, own_prefix).await?;
    let verdict = compare(&records, wait).await;
    records.close().await;
    verdict
}

struct Verdict {
    agrees: bool,
    lines: Vec<String>,
}

/// Compares what the journal says at one moment. What comes later is read only to find what belongs to that: under
/// traffic something is always on its way, and nothing that was there at that moment may be.
async fn compare(records: &Records, wait: Duration) -> anyhow::Result<Verdict> {
    let mut usage_topic = TopicReader::open(&records.journal, Topic::Usage).await?;
    let mut quota_topic = TopicReader::open(&records.journal, Topic::Quota).await?;
    let (mut usage, mut settled) = (Usage::default(), Settled::default());
    usage_topic.drain(&records.journal, &mut usage).await?;
    quota_topic.drain(&records.journal, &mut settled).await?;
    let (tally, read_to) = (usage.tally.clone(), usage_topic.read_to.clone());
    let (used, charged) = (usage.charges.clone(), settled.charges.clone());
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        let tables = records.usage_tally(&read_to).await?;
        usage_topic.drain(&records.journal, &mut usage).await?;
        let marked = Holds { used: &used, charged: &charged };
        let mut differences =
            ledger_differences(&marked, &Holds { used: &usage.charges, charged: &settled.charges });
        differences.extend(table_differences(&tally, &tables));
        if differences.is_empty() || tokio::time::Instant::now() >= deadline {
            let mut lines = summary(&tally, &used, &settled, &tables);
            let (later, poison) = (usage.charges.len() - used.len(), usage_topic.poison + quota_topic.poison);
            lines.push(format!(
                "         {} duplicates left out, {poison} records that cannot be read, {later} attempts came meanwhile",
                usage.duplicates
            ));
            lines.extend(unmetered(&settled));
            let agrees = differences.is_empty();
            let verdict = if agrees { "journal = ledger = tables, to the token" } else { "they differ:" };
            lines.push(verdict.to_owned());
            lines.extend(differences);
            return Ok(Verdict { agrees, lines });
        }
        tokio::time::sleep(PAUSE).await;
        quota_topic.drain(&records.journal, &mut settled).await?;
    }
}

/// What both topics say of holds, at a moment.
struct Holds<'a> {
    /// On the topic of usage.
    used: &'a HashMap<Key, Charge>,
    /// On that of quota.
    charged: &'a HashMap<Key, Charge>,
}

/// Holds whose usage is not charged as it was used, and charges without usage: of those at a moment, by what is known now.
fn ledger_differences(marked: &Holds<'_>, now: &Holds<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (key, used) in marked.used {
        let (Charge { service, pool, tokens }, hold) = (used, key.1);
        match now.charged.get(key) {
            Some(charged) if charged == used => {}
            Some(charged) => found.push(format!(
                "hold {hold} of {service} in {pool}: the journal says {tokens} tokens, the ledger {}",
                charged.tokens
            )),
            None => found.push(format!(
                "hold {hold} of {service} in {pool}: used {tokens} tokens, which the ledger has not charged"
            )),
        }
    }
    // What was held for a call that was never made is settled with nothing, and has no usage.
    let charged = marked.charged.iter().filter(|(_, charged)| charged.tokens > Tokens::ZERO);
    for (key, charged) in charged.filter(|(key, _)| !now.used.contains_key(key)) {
        let (Charge { service, pool, tokens }, hold) = (charged, key.1);
        found.push(format!(
            "hold {hold} of {service} in {pool}: charged {tokens} tokens without a usage event"
        ));
    }
    shortened(found)
}

fn table_differences(journal: &UsageTally, tables: &UsageTally) -> Vec<String> {
    let sum = |sum: &UsageSum| {
        format!(
            "{} attempts, {} in, {} cached, {} out",
            sum.attempts, sum.input, sum.input_cached, sum.output
        )
    };
    let differences = journal.differences(tables).into_iter().map(|found| {
        let (key, journal, tables) = (&found.key, sum(&found.left), sum(&found.right));
        format!(
            "{} in {}, {}, {}: the journal says {journal}; the tables {tables}",
            key.service,
            key.pool,
            key.model,
            key.source.as_str()
        )
    });
    shortened(differences.collect())
}

fn shortened(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    let more = lines.len().saturating_sub(SHOWN_MAX);
    lines.truncate(SHOWN_MAX);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn summary(
    journal: &UsageTally,
    holds: &HashMap<Key, Charge>,
    settled: &Settled,
    tables: &UsageTally,
) -> Vec<String> {
    let tokens =
        |tally: &UsageTally| tally.iter().map(|(_, sum)| sum.input.get() + sum.output.get()).sum::<u64>();
    let attempts = |tally: &UsageTally| tally.iter().map(|(_, sum)| sum.attempts.get()).sum::<u64>();
    // Only what the journal says too: a settle may be read before its usage event.
    let charged: Vec<_> = holds.keys().filter_map(|hold| settled.charges.get(hold)).collect();
    let charged_tokens = charged.iter().map(|charge| charge.tokens.get()).sum();
    let line = |what: &str, count: u64, tokens: u64| {
        format!("{what:8} {} attempts, {} tokens", output::grouped(count), output::grouped(tokens))
    };
    vec![
        line("journal", attempts(journal), tokens(journal)),
        line("ledger", charged.len() as u64, charged_tokens),
        line("tables", attempts(tables), tokens(tables)),
    ]
}

/// What is charged where no usage event is to be expected: whoever asks through Envoy has a proxy of their own.
fn unmetered(settled: &Settled) -> Option<String> {
    let (count, tokens) = settled.unmetered;
    (count > 0).then(|| {
        let (count, tokens) = (output::grouped(count), output::grouped(tokens.get()));
        format!("         {count} charges of {tokens} tokens were asked for by Envoy filters, and have no usage events")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_domain::ids::{HoldId, PoolId, ServiceId};

    fn charges(of: &[(u128, u64)]) -> HashMap<Key, Charge> {
        let charge = |tokens| Charge {
            service: ServiceId::try_new("chat").unwrap(),
            pool: PoolId::try_new("pool").unwrap(),
            tokens: Tokens::new(tokens),
        };
        let key = |hold| (charge(0).pool, HoldId::new(hold));
        of.iter().map(|(hold, tokens)| (key(*hold), charge(*tokens))).collect()
    }

    /// What differs, of what is used and charged at a moment and later.
    fn differences(marked: [&[(u128, u64)]; 2], now: [&[(u128, u64)]; 2]) -> usize {
        let [[used, charged], [used_now, charged_now]] = [marked.map(charges), now.map(charges)];
        let (marked, now) =
            (Holds { used: &used, charged: &charged }, Holds { used: &used_now, charged: &charged_now });
        ledger_differences(&marked, &now).len()
    }

    #[test]
    fn a_token_that_differs_is_found() {
        let journal: &[_] = &[(1, 10), (2, 20), (3, 30)];
        assert_eq!(differences([journal, journal], [journal, journal]), 0);
        let ledger: &[_] = &[(1, 10), (2, 21), (4, 40)];
        assert_eq!(differences([journal, ledger], [journal, ledger]), 3);
    }

    #[test]
    fn what_was_given_back_unused_needs_no_usage() {
        assert_eq!(differences([&[], &[(1, 0)]], [&[], &[(1, 0)]]), 0);
    }

    #[test]
    fn what_belongs_together_may_be_read_one_after_the_other() {
        assert_eq!(differences([&[], &[(1, 10)]], [&[(1, 10)], &[(1, 10)]]), 0, "the usage came later");
        assert_eq!(differences([&[(1, 10)], &[]], [&[(1, 10)], &[(1, 10)]]), 0, "the charge came later");
    }

    #[test]
    fn what_began_after_the_moment_is_not_compared() {
        assert_eq!(differences([&[], &[]], [&[(1, 10)], &[(2, 10)]]), 0);
    }
}
