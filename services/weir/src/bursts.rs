//! `weir burst`: more than a baseline for a while, from the request to its end.

use std::mem;

use tonic::Status;
use tonic_types::StatusExt;
use weir_domain::amount::TokensPerMinute;
use weir_domain::burst::Burst;
use weir_domain::ids::{BurstId, ServiceId};
use weir_domain::time::{Timestamp, Window};
use weir_proto::codec;
use weir_proto::governance::v1::{
    ApproveBurstRequest, BurstCategory, BurstPhase, BurstResponse, BurstState, DecideBurstRequest,
    ExtendBurstRequest, ListBurstsRequest, RequestBurstRequest,
};
use weir_runtime::clock::{Clock, SystemClock};

use crate::client::{self, Quota};
use crate::config::Config;
use crate::instant::{When, shown};
use crate::output::{Table, name, text, whole};
use crate::{cli, output};

/// How the quota service marks that there is no room for a guarantee.
const DOES_NOT_FIT: &str = "DOES_NOT_FIT";

pub(crate) async fn run(config: &Config, command: cli::Bursts) -> anyhow::Result<()> {
    let mut quota = client::connect(config).await?;
    let now = SystemClock.now();
    let answer = match command {
        cli::Bursts::List { all, service } => return list(&mut quota, all, service).await,
        cli::Bursts::Request(mut wanted) => {
            let etag = mem::take(&mut wanted.seen).etag();
            let wanted = asked(wanted, quota.author.clone(), now)?;
            request(&mut quota, &wanted, etag).await?
        }
        cli::Bursts::Approve { name, best_effort, reason, seen } => {
            let (author, burst, etag) = (quota.author.clone(), name.to_string(), seen.etag());
            let asked = ApproveBurstRequest {
                author,
                reason,
                burst,
                best_effort,
                etag,
                ..ApproveBurstRequest::default()
            };
            let approved = quota.governance.approve_burst(asked).await;
            approved.map_err(|status| not_approved(&status))?.into_inner()
        }
        cli::Bursts::Deny { name, reason, seen } => {
            let denied = quota.governance.deny_burst(decided(&quota.author, &name, reason, seen)).await;
            denied.map_err(|status| client::said(&status))?.into_inner()
        }
        cli::Bursts::Revoke { name, reason, seen } => {
            let revoked = quota.governance.revoke_burst(decided(&quota.author, &name, reason, seen)).await;
            revoked.map_err(|status| client::said(&status))?.into_inner()
        }
        cli::Bursts::Extend { name, end, reason, seen } => {
            let (author, burst, etag) = (quota.author.clone(), name.to_string(), seen.etag());
            let end = Some(codec::timestamp_to_wire(end.seen_from(now)));
            let asked =
                ExtendBurstRequest { author, reason, burst, end, etag, ..ExtendBurstRequest::default() };
            let extended = quota.governance.extend_burst(asked).await;
            extended.map_err(|status| client::said(&status))?.into_inner()
        }
    };
    output::line(&told(&answer)?);
    Ok(())
}

/// Why a burst is not approved and, if there is no room to guarantee it, what else could be done.
fn not_approved(status: &Status) -> anyhow::Error {
    let details = status.get_details_precondition_failure().map(|details| details.violations);
    if details.is_some_and(|violations| violations.iter().any(|found| found.r#type == DOES_NOT_FIT)) {
        return anyhow::anyhow!(
            "{}\n  with --best-effort it raises what may be borrowed instead",
            status.message()
        );
    }
    client::said(status)
}

/// The burst that somebody asks for.
fn asked(wanted: cli::BurstRequest, requester: String, now: Timestamp) -> anyhow::Result<Burst> {
    let instant = |when: When| when.seen_from(now);
    let (start, end) = (instant(wanted.start), instant(wanted.end));
    let window = Window::try_new(start, end)
        .ok_or_else(|| anyhow::anyhow!("--end {} is not after --start {}", shown(end), shown(start)))?;
    if end <= now {
        anyhow::bail!("--end {} has passed; a burst counts until then", shown(end));
    }
    let usual = || usual_name(&wanted.service, wanted.category.as_str(), start);
    Ok(Burst {
        id: wanted.name.clone().map_or_else(usual, Ok)?,
        service: wanted.service,
        pool: wanted.pool,
        extra: TokensPerMinute::new(wanted.extra.0),
        window,
        category: wanted.category,
        reason: wanted.reason,
        requester,
    })
}

/// `shop-assistant-demo-2026-12-01`
fn usual_name(service: &ServiceId, category: &str, start: Timestamp) -> anyhow::Result<BurstId> {
    let day = shown(start);
    let end = format!("-{category}-{}", day.get(..10).unwrap_or(&day));
    let room = weir_domain::ids::NAME_CHARS_MAX.saturating_sub(end.len());
    let service = service.as_str().get(..room).unwrap_or(service.as_str());
    Ok(BurstId::try_new(&format!("{service}{end}"))?)
}

/// Asks for a burst. The very same request again changes nothing.
pub(crate) async fn request(quota: &mut Quota, burst: &Burst, etag: String) -> anyhow::Result<BurstResponse> {
    let (author, burst) = (quota.author.clone(), Some(codec::burst_to_wire(burst)));
    let request = RequestBurstRequest { author, burst, etag, ..RequestBurstRequest::default() };
    let answer = quota.governance.request_burst(request).await;
    Ok(answer.map_err(|status| client::said(&status))?.into_inner())
}

fn decided(author: &str, name: &BurstId, reason: String, seen: cli::Seen) -> DecideBurstRequest {
    let (author, burst, etag) = (author.to_owned(), name.to_string(), seen.etag());
    DecideBurstRequest { author, reason, burst, etag, ..DecideBurstRequest::default() }
}

async fn list(quota: &mut Quota, all: bool, service: Option<ServiceId>) -> anyhow::Result<()> {
    let service = service.map_or_else(String::new, |service| service.to_string());
    let reply = quota.governance.list_bursts(ListBurstsRequest { service, all }).await;
    let reply = reply.map_err(|status| client::said(&status))?.into_inner();
    output::listed(&table(reply.bursts)?, "no bursts");
    output::note(&format!("etag for `weir burst request`: {}", reply.etag));
    Ok(())
}

fn table(mut bursts: Vec<BurstState>) -> anyhow::Result<Table> {
    // What is open first, and the next of it first; then what is over, the last to begin first.
    bursts.sort_by_key(|state| {
        let start =
            state.burst.as_ref().and_then(|burst| burst.start.as_ref()).map_or(0, |start| start.seconds);
        if is_open(state) { (false, start) } else { (true, -start) }
    });
    let columns = [
        name("burst"),
        name("service").or_under(),
        name("pool").or_under(),
        whole("start"),
        whole("end").or_under(),
        whole("extra").or_under(),
        whole("phase"),
        name("by").or_under(),
        whole("etag").or_under(),
        text("reason"),
        text("decision").or_under(),
    ];
    Ok(Table::new(columns, bursts.iter().map(cells).collect::<anyhow::Result<_>>()?))
}

fn is_open(state: &BurstState) -> bool {
    matches!(state.phase(), BurstPhase::Requested | BurstPhase::Upcoming | BurstPhase::Active)
}

fn cells(state: &BurstState) -> anyhow::Result<Vec<String>> {
    let burst = state.burst.clone().unwrap_or_default();
    let start = codec::timestamp_from_wire(burst.start.as_ref(), "start")?;
    let end = codec::timestamp_from_wire(burst.end.as_ref(), "end")?;
    let phase = phase(state.phase());
    let phase = if burst.best_effort { format!("{phase}, best effort") } else { phase.to_owned() };
    let category = match burst.category() {
        BurstCategory::Unspecified | BurstCategory::Other => String::new(),
        category => {
            let name = category.as_str_name().trim_start_matches("BURST_CATEGORY_");
            format!("{}: ", name.to_ascii_lowercase())
        }
    };
    Ok(vec![
        burst.id,
        burst.service,
        burst.pool,
        shown(start),
        shown(end),
        format!("{} a minute", output::grouped(burst.extra_per_minute)),
        phase,
        by(state),
        state.etag.clone(),
        format!("{category}{}", burst.reason),
        decision(state),
    ])
}

/// What was decided and why, if anything was.
fn decision(state: &BurstState) -> String {
    let verdict = match state.phase() {
        BurstPhase::Denied => "denied",
        BurstPhase::Revoked => "revoked",
        _ => "approved",
    };
    match state.decision_reason.as_str() {
        "" => String::new(),
        reason => format!("{verdict}: {reason}"),
    }
}

/// Who decided or, if nobody has yet, who asked.
fn by(state: &BurstState) -> String {
    let burst = state.burst.clone().unwrap_or_default();
    [state.decided_by.clone(), burst.approved_by, burst.requester]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}

const fn phase(phase: BurstPhase) -> &'static str {
    match phase {
        BurstPhase::Unspecified => "unknown",
        BurstPhase::Requested => "requested",
        BurstPhase::Upcoming => "upcoming",
        BurstPhase::Active => "active",
        BurstPhase::Expired => "expired",
        BurstPhase::Denied => "denied",
        BurstPhase::Revoked => "revoked",
    }
}

/// What was done, in a sentence.
fn told(answer: &BurstResponse) -> anyhow::Result<String> {
    let state = answer.burst.clone().unwrap_or_default();
    let burst = state.burst.clone().unwrap_or_default();
    let start = codec::timestamp_from_wire(burst.start.as_ref(), "start")?;
    let end = codec::timestamp_from_wire(burst.end.as_ref(), "end")?;
    let (was, id, extra) =
        (if answer.changed { "is" } else { "was already" }, &burst.id, burst.extra_per_minute);
    let mut told = format!(
        "burst {id} {was} {}: {} tokens a minute more for {} in pool {},\nfrom {} to {}",
        phase(state.phase()),
        output::grouped(extra),
        burst.service,
        burst.pool,
        shown(start),
        shown(end)
    );
    if burst.best_effort {
        told += "\nbest effort: it raises what may be borrowed, not what is guaranteed";
    }
    if state.phase() == BurstPhase::Requested {
        told += &format!("\nit counts once it is approved: weir burst approve {id}");
    }
    Ok(told)
}

#[cfg(test)]
mod tests;
