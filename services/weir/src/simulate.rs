//! `weir simulate`: a policy tried on the past, before it is applied.
//!
//! The quota service reads its journal and plays it under the policy as it stands and under the candidate; shown here is
//! what it finds. Nothing is changed.

mod json;
mod progress;
mod refusals;
mod shown;
mod timeline;

use std::process::ExitCode;
use std::time::Duration;

use tonic::Streaming;
use weir_domain::time::Timestamp;
use weir_proto::codec;
use weir_proto::governance::v1::simulate_response::Step;
use weir_proto::governance::v1::{SimulateRequest, SimulateResponse, SimulatedAmount, SimulationReport};
use weir_runtime::clock::{Clock, SystemClock};

use crate::cli::{OutputFormat, Simulate, SimulateFormat};
use crate::config::Config;
use crate::instant::shown as instant;
use crate::policy_files::PolicyFiles;
use crate::{output, policy};
use progress::Progress;

/// How far back is looked if nothing else is asked for: every day of the week once.
const USUAL_SPAN: Duration = Duration::from_hours(7 * 24);

/// Tries a folder, and shows what it would have meant.
pub(crate) async fn run(config: &Config, options: Simulate) -> anyhow::Result<ExitCode> {
    let (from, to) = span(&options, SystemClock.now())?;
    let (files, mut quota) = policy::open(config, &options.dir, OutputFormat::Text).await?;
    let request = SimulateRequest {
        policy: Some(codec::policy_to_wire(&files.policy)),
        from: Some(codec::timestamp_to_wire(from)),
        to: Some(codec::timestamp_to_wire(to)),
    };
    let answer = quota.governance.simulate(request).await;
    let told = answer.map_err(|status| policy::refused(&files, &status))?.into_inner();
    let report = listen(told, &files).await?;
    match options.format {
        SimulateFormat::Table => output::line(&shown::text(&report)),
        SimulateFormat::Json => output::line(&json::text(&report)),
    }
    let fails = options.fail_on_refusals && refused(&report).requests > 0;
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn span(options: &Simulate, now: Timestamp) -> anyhow::Result<(Timestamp, Timestamp)> {
    let to = options.to.map_or(Timestamp::from_secs(now.as_secs()), |to| to.seen_from(now));
    let from = options.from.map_or(to.minus(USUAL_SPAN), |from| from.seen_from(now));
    anyhow::ensure!(from < to, "--to {} is not after --from {}", instant(to), instant(from));
    Ok((from, to))
}

/// Shows how far it has come, until the report is there.
async fn listen(
    mut told: Streaming<SimulateResponse>,
    files: &PolicyFiles,
) -> anyhow::Result<SimulationReport> {
    let mut progress = Progress::new();
    while let Some(told) = told.message().await.map_err(|status| policy::refused(files, &status))? {
        match told.step {
            Some(Step::Progress(how_far)) => progress.show(&how_far),
            Some(Step::Report(report)) => return Ok(report),
            None => {}
        }
    }
    anyhow::bail!("the quota service ended the simulation without a report; ask again")
}

/// All that the candidate refuses.
fn refused(report: &SimulationReport) -> SimulatedAmount {
    sum(report.pools.iter().filter_map(|pool| pool.candidate.as_ref()?.refused))
}

fn sum(amounts: impl Iterator<Item = SimulatedAmount>) -> SimulatedAmount {
    amounts.fold(SimulatedAmount::default(), |sum, amount| SimulatedAmount {
        requests: sum.requests + amount.requests,
        tokens: sum.tokens + amount.tokens,
    })
}

#[cfg(test)]
mod samples;

#[cfg(test)]
mod tests {
    use super::*;

    fn options(from: Option<&str>, to: Option<&str>) -> Simulate {
        let when = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        Simulate {
            dir: "policy".into(),
            from: when(from),
            to: when(to),
            format: SimulateFormat::Table,
            fail_on_refusals: false,
        }
    }

    fn secs(from: Option<&str>, to: Option<&str>) -> anyhow::Result<(i64, i64)> {
        let now = Timestamp::from_millis(10_000_000_500);
        let (from, to) = span(&options(from, to), now)?;
        Ok((from.as_secs(), to.as_secs()))
    }

    #[test]
    fn the_usual_span_is_the_last_week_and_a_week_before_its_end() {
        let week = 7 * 86_400;
        assert_eq!(secs(None, None).unwrap(), (10_000_000 - week, 10_000_000));
        assert_eq!(secs(None, Some("-1d")).unwrap(), (10_000_000 - week - 86_400, 10_000_000 - 86_400));
        assert_eq!(secs(Some("-2h"), None).unwrap(), (10_000_000 - 7_200, 10_000_000));
    }

    #[test]
    fn a_span_that_ends_before_it_begins_is_refused_with_both_ends() {
        let problem = secs(Some("-1h"), Some("-2h")).unwrap_err().to_string();
        assert!(problem.starts_with("--to 1970-04-26T15:46:40Z is not after --from"), "{problem}");
    }

    #[test]
    fn what_is_refused_is_the_sum_over_all_pools() {
        assert_eq!(refused(&samples::report()), SimulatedAmount { requests: 132, tokens: 45_678 });
    }
}
