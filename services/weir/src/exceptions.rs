//! `weir exceptions`: deviations from policy. Each has an owner, a reason and an end.

use weir_domain::policy::{Exception, Waiver};
use weir_domain::time::Timestamp;
use weir_proto::codec;
use weir_proto::governance::v1::{EndExceptionRequest, GrantExceptionRequest, ListExceptionsRequest};
use weir_runtime::clock::{Clock, SystemClock};

use crate::client::{self, Quota};
use crate::config::Config;
use crate::instant::shown;
use crate::output::{Table, name, text, whole};
use crate::policy_files::SANDBOX_LIMIT;
use crate::{cli, keys, output};

pub(crate) async fn run(config: &Config, command: cli::Exceptions) -> anyhow::Result<()> {
    let mut quota = client::connect(config).await?;
    let now = SystemClock.now();
    match command {
        cli::Exceptions::List => list(&mut quota, now).await,
        cli::Exceptions::Grant { name, service, waives, owner, reason, end, seen } => {
            let waives = if waives == SANDBOX_LIMIT { Waiver::SandboxLimit } else { Waiver::Other(waives) };
            let end = end.seen_from(now);
            let exception = Exception { id: name, service, waives, owner, reason: reason.clone(), end };
            grant(&mut quota, &exception, reason, seen.etag()).await
        }
        cli::Exceptions::End { name, reason, seen } => {
            let (author, id, etag) = (quota.author.clone(), name.to_string(), seen.etag());
            let request = EndExceptionRequest { author, reason, id, etag, ..EndExceptionRequest::default() };
            let reply =
                quota.governance.end_exception(request).await.map_err(|status| client::said(&status))?;
            let done = if reply.into_inner().ended { "has ended now" } else { "had ended before" };
            output::line(&format!("exception {name} {done}"));
            Ok(())
        }
    }
}

async fn grant(quota: &mut Quota, exception: &Exception, reason: String, etag: String) -> anyhow::Result<()> {
    let wire = Some(codec::exception_to_wire(exception));
    let author = quota.author.clone();
    let request =
        GrantExceptionRequest { author, reason, exception: wire, etag, ..GrantExceptionRequest::default() };
    let reply = quota.governance.grant_exception(request).await.map_err(|status| client::said(&status))?;
    let done = if reply.into_inner().changed { "is granted" } else { "was granted already" };
    let (id, service, end) = (&exception.id, &exception.service, shown(exception.end));
    output::line(&format!("exception {id} {done}: {} for {service}, until {end}", waived(&exception.waives)));
    Ok(())
}

async fn list(quota: &mut Quota, now: Timestamp) -> anyhow::Result<()> {
    let reply = quota.governance.list_exceptions(ListExceptionsRequest {}).await;
    let reply = reply.map_err(|status| client::said(&status))?.into_inner();
    let exceptions =
        reply.exceptions.iter().map(codec::exception_from_wire).collect::<Result<Vec<_>, _>>()?;
    output::listed(&table(&exceptions, now), "no exceptions");
    output::etag(&reply.etag);
    Ok(())
}

fn table(exceptions: &[Exception], now: Timestamp) -> Table {
    let cells = |it: &Exception| {
        let [ends, left] = keys::expiry(Some(it.end), now);
        let waives = waived(&it.waives).to_owned();
        vec![
            it.id.to_string(),
            it.service.to_string(),
            it.owner.clone(),
            ends,
            left,
            waives,
            it.reason.clone(),
        ]
    };
    let columns = [
        name("exception"),
        name("service").or_under(),
        name("owner").or_under(),
        whole("ends"),
        whole("").or_under(),
        text("waives"),
        text("reason"),
    ];
    Table::new(columns, exceptions.iter().map(cells).collect())
}

fn waived(waiver: &Waiver) -> &str {
    match waiver {
        Waiver::SandboxLimit => SANDBOX_LIMIT,
        Waiver::Other(rule) => rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_ends_when_and_who_answers() {
        let exception = Exception {
            id: "trial".parse().unwrap(),
            service: "chat".parse().unwrap(),
            waives: Waiver::SandboxLimit,
            owner: "Bo".to_owned(),
            reason: "nobody owns it yet".to_owned(),
            end: Timestamp::from_secs(86_400),
        };
        let table = table(&[exception], Timestamp::EPOCH);
        let (whole, narrow) = (table.within(None), table.within(Some(80)));
        for part in
            ["trial", "sandbox-limit", "Bo", "1970-01-02T00:00:00Z ", "in 1 d 0 h", "nobody owns it yet"]
        {
            assert!(whole.contains(part) && narrow.contains(part), "{whole}\n{narrow}");
        }
        assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
    }
}
