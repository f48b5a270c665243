//! `weir plan`, `weir apply` and `weir export`: a policy folder, and the policy as it stands.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use weir_domain::policy::Policy;
use weir_proto::codec;
use weir_proto::governance::v1::{ApplyPolicyRequest, ExportPolicyRequest};

use crate::cli::{Apply, OutputFormat, Plan};
use crate::client::{self, Quota};
use crate::config::Config;
use crate::policy_files::{self, Finding, PolicyError, PolicyFiles};
use crate::{checkout, output};

/// The exit code of `weir plan --detailed-exitcode` if there are changes, as other tools have it.
const CHANGES: u8 = 2;

/// What a policy changes, or would.
pub(crate) struct Diff {
    /// One line for each thing.
    pub(crate) changes: Vec<String>,
    /// What is not wrong and may still surprise.
    warnings: Vec<Finding>,
    /// What was seen: if it is given to `weir apply`, nothing else is changed than what was shown.
    etag: String,
}

impl Diff {
    /// What makes exactly this so.
    fn command(&self, dir: &Path) -> String {
        format!("weir apply -f {} --etag {}", dir.display(), self.etag)
    }
}

/// Says what a folder would change.
pub(crate) async fn plan(config: &Config, asked: &Plan) -> anyhow::Result<ExitCode> {
    let (files, mut quota) = open(config, &asked.dir, asked.format).await?;
    let diff = dry_run(&mut quota, &files).await?;
    match asked.format {
        OutputFormat::Json => output::line(&json(&diff, &unknown_upstreams(config, &files))),
        OutputFormat::Text => show_plan(&diff, &asked.dir),
    }
    let code = if asked.detailed_exitcode && !diff.changes.is_empty() { CHANGES } else { 0 };
    Ok(ExitCode::from(code))
}

fn show_plan(diff: &Diff, dir: &Path) {
    show(diff);
    warn(diff);
    let command = diff.command(dir);
    match diff.changes.len() {
        0 => output::line("no change: the policy is so already"),
        1 => output::line(&format!("\n1 change; `{command}` makes it, if nothing is decided before")),
        count => {
            output::line(&format!("\n{count} changes; `{command}` makes them, if nothing is decided before"));
        }
    }
}

/// Makes a folder so.
pub(crate) async fn run_apply(config: &Config, asked: Apply) -> anyhow::Result<()> {
    let Apply { dir, reason, format, seen } = asked;
    let (files, mut quota) = open(config, &dir, format).await?;
    let commit = checkout::commit(&dir);
    let from = commit.as_ref().map_or_else(String::new, |commit| format!(", from commit {commit}"));
    let request = ApplyPolicyRequest {
        reason,
        commit: commit.unwrap_or_default(),
        etag: seen.etag(),
        ..request(&quota)
    };
    let diff = ask(&mut quota, &files, request).await?;
    if format == OutputFormat::Json {
        output::line(&json(&diff, &unknown_upstreams(config, &files)));
        return Ok(());
    }
    show(&diff);
    if !diff.changes.is_empty() {
        warn(&diff);
    }
    match diff.changes.len() {
        0 => output::line("no change: the policy is so already"),
        1 => output::line(&format!("\n1 change made{from}")),
        count => output::line(&format!("\n{count} changes made{from}")),
    }
    Ok(())
}

/// A diff for programs: what changes, what may surprise and where it stands, and by which etag that is known.
fn json(diff: &Diff, besides: &[Finding]) -> String {
    let warning = |found: &Finding| {
        let file = found.spot.as_ref().map(|spot| spot.file.display().to_string());
        json!({ "file": file, "line": found.spot.as_ref().map(|spot| spot.line), "message": found.message })
    };
    let warnings: Vec<_> = besides.iter().chain(&diff.warnings).map(warning).collect();
    format!("{:#}", json!({ "changes": diff.changes, "warnings": warnings, "etag": diff.etag }))
}

/// What the gateway's settings do not know of what the files name.
fn unknown_upstreams(config: &Config, files: &PolicyFiles) -> Vec<Finding> {
    let unknown = config.unknown_upstreams(&files.policy);
    unknown.iter().map(|(place, message)| files.finding(place, message)).collect()
}

/// Writes the policy as it stands: to a folder, or all of it to stdout.
pub(crate) async fn export(config: &Config, dir: Option<&Path>) -> anyhow::Result<()> {
    let policy = current(&mut client::connect(config).await?).await?;
    let Some(dir) = dir else {
        output::raw(&policy_files::one_file(&policy));
        return Ok(());
    };
    let written = policy_files::write_dir(&policy, dir)?;
    if written.is_empty() {
        output::line("there is no policy yet, so nothing was written");
    }
    for path in written {
        output::line(&format!("wrote {}", path.display()));
    }
    Ok(())
}

/// The policy as it stands.
pub(crate) async fn current(quota: &mut Quota) -> anyhow::Result<Policy> {
    let reply = quota.governance.export_policy(ExportPolicyRequest {}).await;
    let reply = reply.map_err(|status| client::said(&status))?.into_inner();
    Ok(codec::policy_from_wire(&reply.policy.unwrap_or_default())?)
}

/// Reads a folder and finds the quota service. Where that cannot be asked, what the files alone show is told first.
pub(crate) async fn open(
    config: &Config,
    dir: &Path,
    format: OutputFormat,
) -> anyhow::Result<(PolicyFiles, Quota)> {
    let files = policy_files::read_dir(dir)?;
    if format == OutputFormat::Text {
        for found in unknown_upstreams(config, &files) {
            output::note(&format!("warning: {found}"));
        }
    }
    match client::connect(config).await {
        Ok(quota) => Ok((files, quota)),
        Err(away) => {
            files.sound()?;
            Err(away)
        }
    }
}

/// Says what files would change. What is wrong is told with file and line.
pub(crate) async fn dry_run(quota: &mut Quota, files: &PolicyFiles) -> anyhow::Result<Diff> {
    ask(quota, files, ApplyPolicyRequest { reason: "weir plan".to_owned(), dry_run: true, ..request(quota) })
        .await
}

/// Makes files so. What is wrong is told with file and line.
pub(crate) async fn apply(
    quota: &mut Quota,
    files: &PolicyFiles,
    reason: String,
    commit: Option<String>,
) -> anyhow::Result<Diff> {
    ask(quota, files, ApplyPolicyRequest { reason, commit: commit.unwrap_or_default(), ..request(quota) })
        .await
}

fn request(quota: &Quota) -> ApplyPolicyRequest {
    ApplyPolicyRequest { author: quota.author.clone(), ..ApplyPolicyRequest::default() }
}

async fn ask(quota: &mut Quota, files: &PolicyFiles, request: ApplyPolicyRequest) -> anyhow::Result<Diff> {
    let request = ApplyPolicyRequest { policy: Some(codec::policy_to_wire(&files.policy)), ..request };
    let reply = quota.governance.apply_policy(request).await;
    let reply = reply.map_err(|status| refused(files, &status))?.into_inner();
    let warnings = reply.warnings.iter().map(|warning| located(files, warning)).collect();
    Ok(Diff { changes: reply.changes, warnings, etag: reply.etag })
}

/// What the quota service finds wrong, with file and line where it is about something that the files state.
pub(crate) fn refused(files: &PolicyFiles, status: &Status) -> anyhow::Error {
    let violations =
        status.get_details_bad_request().map(|details| details.field_violations).unwrap_or_default();
    let found = violations.iter().map(|found| files.finding(&found.field, &found.description));
    let mut found: Vec<_> = found.collect();
    found.sort_by(|a, b| a.spot.cmp(&b.spot));
    if found.iter().any(|finding| finding.spot.is_some()) {
        PolicyError::Findings(found).into()
    } else if status.code() == Code::Aborted {
        client::said(status)
            .context("something else was decided since `weir plan`; plan again, and look at it")
    } else {
        client::said(status)
    }
}

/// A remark that begins with its place, such as `pool gpt: …`.
fn located(files: &PolicyFiles, remark: &str) -> Finding {
    match remark.split_once(": ") {
        Some((place, message)) => files.finding(place, message),
        None => Finding { spot: None, message: remark.to_owned() },
    }
}

fn show(diff: &Diff) {
    for change in &diff.changes {
        output::line(&output::fitted(change, 2));
    }
}

/// Tells what may surprise, beside what a command gives back.
pub(crate) fn warn(diff: &Diff) {
    for warning in &diff.warnings {
        output::note(&output::fitted(&format!("warning: {warning}"), 9));
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;
    use crate::policy_files::{Source, from_sources};

    fn files() -> PolicyFiles {
        let text =
            "[[pool]]\nname = \"gpt\"\ntokens_per_minute = 1\n\n[[team]]\nname = \"a\"\ntitle = \"A\"\n";
        from_sources(&[Source { path: "policy/all.toml".into(), text: text.to_owned() }]).unwrap()
    }

    fn violated(violations: &[(&str, &str)]) -> Status {
        let violations: Vec<_> =
            violations.iter().map(|(field, what)| FieldViolation::new(*field, *what)).collect();
        let details = ErrorDetails::with_bad_request(violations);
        Status::with_error_details(Code::InvalidArgument, "two things are wrong", details)
    }

    #[test]
    fn what_the_service_refuses_is_shown_by_file_and_line() {
        let status = violated(&[("team a", "has no services"), ("pool gpt", "guarantees exceed the pool")]);
        let said = refused(&files(), &status).to_string();
        let wanted = "policy is not right:\n  policy/all.toml:1: pool gpt: guarantees exceed the pool\n  \
                      policy/all.toml:5: team a: has no services";
        assert_eq!(said, wanted);
    }

    #[test]
    fn what_is_not_about_the_files_is_said_as_it_is() {
        let said = refused(&files(), &violated(&[("author", "is missing")])).to_string();
        assert!(said.contains("two things are wrong"), "{said}");
        let said = refused(&files(), &Status::permission_denied("not for you")).to_string();
        assert!(said.contains("not for you"), "{said}");
    }

    #[test]
    fn a_plan_for_programs_has_its_warnings_by_file_and_line() {
        let warnings =
            vec![located(&files(), "pool gpt, tokens_per_minute: is much"), located(&files(), "odd")];
        let diff = Diff { changes: vec!["pool gpt: new".to_owned()], warnings, etag: "7".to_owned() };
        let besides = [files().finding("team a", "is odd")];
        let value: serde_json::Value = serde_json::from_str(&json(&diff, &besides)).unwrap();
        let file = "policy/all.toml";
        let wanted = json!({
            "changes": ["pool gpt: new"],
            "warnings": [
                { "file": file, "line": 5, "message": "team a: is odd" },
                { "file": file, "line": 3, "message": "pool gpt, tokens_per_minute: is much" },
                { "file": null, "line": null, "message": "odd" },
            ],
            "etag": "7",
        });
        assert_eq!(value, wanted);
    }

    #[test]
    fn a_warning_is_shown_by_file_and_line() {
        let shown = located(&files(), "pool gpt: 95 of its 100 tokens a minute are guaranteed").to_string();
        assert_eq!(shown, "policy/all.toml:1: pool gpt: 95 of its 100 tokens a minute are guaranteed");
    }
}
