//! `weir audit`: who decided what, when and why, as the quota service tells whoever asks.
//!
//! Shows what their role sees, with no journal at hand; `weir events --topic quota` reads the journal itself.

use serde_json::json;
use weir_domain::time::Timestamp;
use weir_proto::codec;
use weir_proto::governance::v1::{Decision, ListDecisionsRequest};
use weir_runtime::clock::{Clock, SystemClock};

use crate::cli::{Audit, AuditFormat};
use crate::client::{self, Quota};
use crate::config::Config;
use crate::instant::shown;
use crate::output::{self, Table, name, text, whole};

/// The largest page that the service gives.
const PAGE_SIZE_MAX: u32 = 1_000;

/// Decisions in order of time, and up to when they are no longer known.
pub(crate) struct Told {
    pub(crate) decisions: Vec<Decision>,
    pub(crate) forgotten_until: Option<Timestamp>,
}

pub(crate) async fn run(config: &Config, asked: &Audit) -> anyhow::Result<()> {
    let mut quota = client::connect(config).await?;
    let told = ask(&mut quota, asked, SystemClock.now()).await?;
    match asked.format {
        AuditFormat::Json => {
            for decision in &told.decisions {
                output::line(&object(decision)?.to_string());
            }
        }
        AuditFormat::Table => output::listed(&table(&told.decisions)?, "no such decisions"),
    }
    if let Some(until) = told.forgotten_until {
        let until = shown(until);
        output::note(&format!("decisions up to {until} are only in the journal: weir events --topic quota"));
    }
    Ok(())
}

/// The last so many decisions, page by page.
pub(crate) async fn ask(quota: &mut Quota, asked: &Audit, now: Timestamp) -> anyhow::Result<Told> {
    let name = |name: Option<String>| name.unwrap_or_default();
    let at = |when: crate::instant::When| codec::timestamp_to_wire(when.seen_from(now));
    let mut request = ListDecisionsRequest {
        team: name(asked.team.as_ref().map(ToString::to_string)),
        service: name(asked.service.as_ref().map(ToString::to_string)),
        pool: name(asked.pool.as_ref().map(ToString::to_string)),
        author: name(asked.author.clone()),
        from: asked.from.map(at),
        to: asked.to.map(at),
        ..ListDecisionsRequest::default()
    };
    let last = usize::try_from(asked.last.0).unwrap_or(usize::MAX);
    let mut told = Told { decisions: Vec::new(), forgotten_until: None };
    loop {
        let left = u32::try_from(last - told.decisions.len()).unwrap_or(u32::MAX);
        request.page_size = left.min(PAGE_SIZE_MAX);
        let page = quota.governance.list_decisions(request.clone()).await;
        let page = page.map_err(|status| client::said(&status))?.into_inner();
        told.decisions.extend(page.decisions);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() || told.decisions.len() >= last {
            let until = page.forgotten_until.map(|until| codec::timestamp_from_wire(Some(&until), "until"));
            told.forgotten_until = until.transpose()?.filter(|_| request.page_token.is_empty());
            told.decisions.reverse();
            return Ok(told);
        }
    }
}

fn instant(decision: &Decision) -> Result<Timestamp, codec::DecodeError> {
    codec::timestamp_from_wire(decision.at.as_ref(), "at")
}

fn table(decisions: &[Decision]) -> anyhow::Result<Table> {
    let cells = |decision: &Decision| {
        let commit = match decision.commit.as_str() {
            "" => String::new(),
            commit => format!(" (commit {commit})"),
        };
        let reason = format!("{}{commit}", decision.reason);
        Ok(vec![shown(instant(decision)?), decision.author.clone(), decision.what.clone(), reason])
    };
    let rows = decisions.iter().map(cells).collect::<Result<_, codec::DecodeError>>()?;
    Ok(Table::new([whole("at"), name("author").or_under(), text("what"), text("reason")], rows))
}

fn object(decision: &Decision) -> anyhow::Result<serde_json::Value> {
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    Ok(json!({
        "at": codec::rfc3339(instant(decision)?),
        "author": decision.author,
        "reason": decision.reason,
        "commit": named(&decision.commit),
        "pool": named(&decision.pool),
        "service": named(&decision.service),
        "team": named(&decision.team),
        "what": decision.what,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision() -> Decision {
        Decision {
            at: Some(codec::timestamp_to_wire(Timestamp::from_secs(10))),
            author: "ada".into(),
            reason: "new people".into(),
            commit: "c0ffee".into(),
            team: "web".into(),
            what: "team web: new".into(),
            ..Decision::default()
        }
    }

    #[test]
    fn a_decision_is_told_with_who_when_why_and_from_which_commit() {
        let table = table(&[decision()]).unwrap().within(None);
        let line = table.lines().last().unwrap();
        for part in ["1970-01-01T00:00:10Z", "ada", "team web: new", "new people (commit c0ffee)"] {
            assert!(line.contains(part), "{table}");
        }
    }

    #[test]
    fn a_program_reads_the_same_as_json() {
        assert_eq!(
            object(&decision()).unwrap().to_string(),
            "{\"at\":\"1970-01-01T00:00:10.000000000Z\",\"author\":\"ada\",\"commit\":\"c0ffee\",\"pool\":null,\
             \"reason\":\"new people\",\"service\":null,\"team\":\"web\",\"what\":\"team web: new\"}"
        );
    }
}
