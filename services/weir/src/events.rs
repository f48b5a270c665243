//! `weir events`: what the journal says, for people: who used what, and who decided what and why.

mod decided;
mod used;

use anyhow::bail;
use weir_domain::time::Timestamp;
use weir_runtime::clock::{Clock, SystemClock};

use crate::cli::{Events, TopicName};
use crate::config::Config;
use crate::records;

pub(crate) async fn run(config: &Config, asked: Events) -> anyhow::Result<()> {
    let journal = records::journal_to_read(config).await?;
    let now = SystemClock.now();
    match asked.topic {
        TopicName::Usage if asked.author.is_some() => {
            bail!("--author is about decisions; give --topic quota, too")
        }
        TopicName::Quota if asked.request.is_some() => {
            bail!("--request is about usage; leave it out, or leave out --topic quota")
        }
        TopicName::Usage => used::show(&journal, &asked, now).await,
        TopicName::Quota => decided::show(&journal, &asked, now).await,
    }
}

/// From when on events are shown.
fn since(asked: &Events, now: Timestamp) -> Timestamp {
    asked.since.as_ref().map_or(Timestamp::EPOCH, |when| when.seen_from(now))
}
