//! `weir up`: everything in one process, on embedded engines unless the settings name others.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use weir_domain::policy::Policy;
use weir_runtime::client_tls::ClientTls;
use weir_runtime::clock::{Clock, SystemClock};
use weir_runtime::tasks::Tasks;

use crate::client::{self, Quota};
use crate::config::Config;
use crate::policy_files::{self, PolicyError, PolicyFiles};
use crate::roles::{Addresses, Node};
use crate::stages::Stages;
use crate::{checkout, demo, init, keys, output, policy, token};

/// The policy's name in `/readyz`.
const POLICY: &str = "policy";
/// How long all roles together may take to become ready.
const READY_TIMEOUT: Duration = Duration::from_mins(1);
const READY_POLL: Duration = Duration::from_millis(50);
/// How long tasks that belong to no role may take at the end.
const LAST_DRAIN: Duration = Duration::from_secs(5);

pub(crate) async fn run(mut config: Config, with_demo: bool, own_prefix: &[&str]) -> anyhow::Result<()> {
    let files = if with_demo {
        config.gateway.upstreams = demo::upstreams(&config)?;
        demo::furnish(&mut config.emulator);
        demo::sample(SystemClock.now())?
    } else {
        check_upstreams(&config)?;
        read_policy(&config)?
    };
    let secret = token::find_or_make(config.quota.token.as_ref(), &config.data.dir)?;
    let tasks = Tasks::new();
    let node = Node::open_all(config, secret.clone(), own_prefix).await?;
    let mut stages = Stages::new(tasks.clone());
    let outcome = tokio::select! {
        outcome = serve(&node, &mut stages, &files, &secret, with_demo) => outcome,
        signal = weir_runtime::tasks::termination() => signal.context("cannot listen for signals"),
    };
    output::line("stopping: answers in flight are finished first");
    let stopped = stages.stop().await;
    node.close().await;
    tasks.begin_shutdown();
    tasks.drain(LAST_DRAIN).await;
    outcome.and(stopped)
}

/// The policy folder, which must be right before anything is started.
fn read_policy(config: &Config) -> anyhow::Result<PolicyFiles> {
    let files = policy_files::read_dir(&config.policy.dir)?.sound()?;
    let unknown = config.unknown_upstreams(&files.policy);
    let unknown = unknown.iter().map(|(place, message)| files.finding(place, message));
    let unknown: Vec<_> = unknown.collect();
    if unknown.is_empty() { Ok(files) } else { Err(PolicyError::Findings(unknown).into()) }
}

/// Says all that a gateway lacks to reach its upstreams, before anything is started.
fn check_upstreams(config: &Config) -> anyhow::Result<()> {
    let upstreams = &config.gateway.upstreams;
    if upstreams.is_empty() {
        bail!(
            "there is no upstream to send calls to.\n  `weir init` writes a weir.toml with a [[gateway.upstreams]] \
             block to fill in;\n  `weir up --demo` runs without one."
        );
    }
    let mut missing = String::new();
    for upstream in upstreams {
        if upstream.base_url.contains(init::ADDRESS_TO_FILL_IN) {
            missing += &format!("\n  upstream {}: put your resource's address into base_url", upstream.name);
        }
        if let Err(problem) = upstream.api_key.fetch() {
            missing += &format!("\n  upstream {}: {problem}", upstream.name);
        }
    }
    if missing.is_empty() { Ok(()) } else { bail!("something is missing (see weir.toml):{missing}") }
}

async fn serve(
    node: &Node,
    stages: &mut Stages,
    files: &PolicyFiles,
    secret: &SecretString,
    with_demo: bool,
) -> anyhow::Result<()> {
    // Nobody who waits for it must find an organisation that knows nobody.
    let applied = node.health().component(POLICY);
    applied.not_ready("the policy folder is not applied yet");
    let addresses = node.start_all(stages, with_demo).await?;
    let ended = stages.ended();
    ready(node, &ended, &["gateway", POLICY]).await?;
    let url = node.config().own_quota_url(&addresses.quota);
    let tls = ClientTls { certificate: None, key: None, ..node.config().own_quota_tls() };
    let mut quota = client::connect_to(&url, &tls, Some(secret)).await?;
    if with_demo {
        demo::organise(&mut quota, files).await?;
    } else {
        apply_folder(&mut quota, files, &node.config().policy.dir).await?;
    }
    applied.ready();
    ready(node, &ended, &[]).await?;
    let demo_keys =
        if with_demo { Some(demo::keys(&mut quota, &node.config().data.dir).await?) } else { None };
    let first_key = first_key(&mut quota, &files.policy, demo_keys.as_ref()).await?;
    let welcome = welcome(&addresses, &url, first_key.as_ref());
    output::line(&welcome);
    if let Some(keys) = &demo_keys {
        stages.start("demo", |shutdown| demo::run(addresses, keys.clone(), welcome, shutdown));
    }
    ended.cancelled().await;
    Ok(())
}

/// Applies the policy folder. One that was right may be so no more, because an exception has ended for instance: then nobody
/// is shut out, and what was decided before stays in force.
async fn apply_folder(quota: &mut Quota, files: &PolicyFiles, dir: &Path) -> anyhow::Result<()> {
    let diff = match policy::apply(quota, files, "weir up".to_owned(), checkout::commit(dir)).await {
        Ok(diff) => diff,
        Err(problem) if policy::current(quota).await?.pools.is_empty() => return Err(problem),
        Err(problem) => {
            output::note(&format!(
                "warning: the policy folder is not applied, the policy as it stands is in force: {problem:#}"
            ));
            tracing::error!("the policy folder is not applied; mend it and `weir apply`");
            return Ok(());
        }
    };
    tracing::info!(changes = diff.changes.len(), "policy applied");
    if !diff.changes.is_empty() {
        policy::warn(&diff);
    }
    Ok(())
}

/// Waits until every part is ready but those named; fails as soon as one has ended.
async fn ready(node: &Node, ended: &CancellationToken, without: &[&str]) -> anyhow::Result<()> {
    let problems = || {
        let mut problems = node.health().problems();
        problems.retain(|problem| !without.iter().any(|name| problem.starts_with(name)));
        problems
    };
    let wait = async {
        while !problems().is_empty() {
            tokio::time::sleep(READY_POLL).await;
        }
    };
    tokio::select! {
        waited = tokio::time::timeout(READY_TIMEOUT, wait) => {
            waited.with_context(|| format!("not ready after {} s: {}", READY_TIMEOUT.as_secs(), problems().join("; ")))
        }
        () = ended.cancelled() => bail!("a role ended while starting"),
    }
}

/// A key to begin with: one of the demo's, or a new one if nobody has a key yet.
async fn first_key(
    quota: &mut Quota,
    policy: &Policy,
    demo_keys: Option<&BTreeMap<String, String>>,
) -> anyhow::Result<Option<(String, String)>> {
    if let Some(keys) = demo_keys {
        return Ok(keys.get(demo::SHOWN_SERVICE).map(|key| (demo::SHOWN_SERVICE.to_owned(), key.clone())));
    }
    let Some(service) = policy.services.first() else { return Ok(None) };
    if keys::any(quota).await? {
        return Ok(None);
    }
    let key = keys::random();
    keys::create(quota, &key, &format!("{}-first", service.id), service.id.as_str()).await?;
    Ok(Some((service.id.to_string(), key)))
}

fn welcome(addresses: &Addresses, quota_url: &str, first_key: Option<&(String, String)>) -> String {
    let mut lines = vec![
        "Weir is up.".to_owned(),
        format!("  gateway   http://{}/v1   (OpenAI SDKs: base_url)", addresses.gateway),
        format!("            http://{}      (Azure SDKs: azure_endpoint)", addresses.gateway),
        format!("  showback  http://{}/", addresses.showback),
        format!("  quota     {quota_url}      (gRPC)"),
        format!("  health    http://{}/readyz, /metrics", addresses.telemetry),
    ];
    lines.extend(addresses.emulator.as_ref().map(|it| format!("  emulator  http://{it}/emulator/v1/ledger")));
    lines.push(match first_key {
        Some((service, key)) => format!("  caller key of {service}: {key}"),
        None => "  caller keys: `weir keys create SERVICE`".to_owned(),
    });
    lines.push("Ctrl-C drains and stops.\n".to_owned());
    lines.join("\n")
}
