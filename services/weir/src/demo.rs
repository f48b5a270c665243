//! `weir up --demo`: a sample organisation, its callers, and a report that keeps refreshing.

mod traffic;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weir_domain::amount::TokensPerMinute;
use weir_domain::burst::{Burst, Category};
use weir_domain::ids::{BurstId, PoolId, ServiceId};
use weir_domain::policy::Policy;
use weir_domain::time::{Timestamp, Window};
use weir_gateway::config::{UpstreamConfig, UpstreamKind};
use weir_proto::codec;
use weir_runtime::clock::{Clock, SystemClock};
use weir_runtime::secrets::SecretSource;

use crate::client::Quota;
use crate::config::Config;
use crate::http::Http;
use crate::policy_files::{PolicyFiles, Source, from_sources};
use crate::roles::Addresses;
use crate::{bursts, keys, output, policy, report, token};

/// The service whose key is shown as an example.
pub(crate) const SHOWN_SERVICE: &str = "shop-assistant";

const DAY: Duration = Duration::from_hours(24);
/// ECMA-48: cursor to the upper left, then everything below it erased.
const CLEAR: &str = "\x1b[H\x1b[J";
/// How often the table is drawn anew on a terminal.
const REFRESH_ON_TERMINAL: Duration = Duration::from_secs(2);
/// How often it is printed where nobody looks.
const REFRESH_IN_LOG: Duration = Duration::from_secs(10);

/// The sample organisation. Its burst lasts from the beginning of this day to the end of the next, its exception a week.
pub(crate) fn sample(now: Timestamp) -> anyhow::Result<PolicyFiles> {
    let today = day_of(now);
    let text = include_str!("demo/policy.toml")
        .replace("{burst_start}", &codec::rfc3339(today))
        .replace("{burst_end}", &codec::rfc3339(today.plus(2 * DAY)))
        .replace("{exception_end}", &codec::rfc3339(today.plus(7 * DAY)));
    Ok(from_sources(&[Source { path: PathBuf::from("the demo's policy"), text }])?.sound()?)
}

fn day_of(now: Timestamp) -> Timestamp {
    let day_secs = DAY.as_secs().cast_signed();
    Timestamp::from_secs(now.as_secs().div_euclid(day_secs) * day_secs)
}

/// The emulator as the gateway's only upstream. Its key is made up: the emulator takes any.
pub(crate) fn upstreams(config: &Config) -> anyhow::Result<Vec<UpstreamConfig>> {
    let key_file = config.data.dir.join("emulator.key");
    token::write_private(&key_file, "any-key-will-do")?;
    Ok(vec![UpstreamConfig {
        name: "emulator".to_owned(),
        kind: UpstreamKind::OpenAi,
        base_url: format!("http://{}/v1", config.emulator.listen),
        api_key: SecretSource::File(key_file),
        api_version: String::new(),
        ca_file: None,
    }])
}

/// Lets the emulator serve a part of each prompt from its cache, so that the report shows what that saves.
pub(crate) fn furnish(emulator: &mut weir_emulator::Config) {
    const CACHED_SHARE: f64 = 0.4;
    for deployment in &mut emulator.deployments {
        if deployment.kind == weir_emulator::config::Kind::Chat {
            deployment.cached_share.get_or_insert(CACHED_SHARE);
        }
    }
}

/// Makes the sample organisation, and a burst that waits for approval, where there is no organisation yet. One that is
/// there is left as it is: whoever tried something goes on with it. Whether it did.
pub(crate) async fn organise(quota: &mut Quota, files: &PolicyFiles) -> anyhow::Result<bool> {
    if policy::current(quota).await? != Policy::default() {
        tracing::info!(
            "the journal has an organisation: it is left as it is, and the sample policy is not applied"
        );
        return Ok(false);
    }
    let diff = policy::apply(quota, files, "weir up --demo".to_owned(), None).await?;
    tracing::info!(changes = diff.changes.len(), "sample policy applied");
    bursts::request(quota, &waiting_burst(SystemClock.now())?, String::new()).await?;
    Ok(true)
}

/// A burst in three days, that somebody at the keyboard may approve or deny.
pub(crate) fn waiting_burst(now: Timestamp) -> anyhow::Result<Burst> {
    let start = day_of(now).plus(3 * DAY);
    Ok(Burst {
        id: BurstId::try_new("ticket-backlog")?,
        service: ServiceId::try_new("ticket-triage")?,
        pool: PoolId::try_new("chat")?,
        extra: TokensPerMinute::new(40_000),
        window: Window::try_new(start, start.plus(DAY)).context("a day is not empty")?,
        category: Category::Migration,
        reason: "the tickets of the old system are sorted in one day".to_owned(),
        requester: "Bo Okafor".to_owned(),
    })
}

/// The demo's caller keys by service, made at the first start and kept, readable by their owner only. Those that somebody
/// has revoked are left out.
pub(crate) async fn keys(quota: &mut Quota, data_dir: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let path = data_dir.join("demo-keys.json");
    let kept: BTreeMap<String, String> = if path.exists() {
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not what the demo wrote", path.display()))?
    } else {
        let made = traffic::habits().map(|habit| (habit.service.to_owned(), keys::random()));
        let made = BTreeMap::from(made);
        token::write_private(&path, &serde_json::to_string_pretty(&made)?)?;
        made
    };
    let mut keys = BTreeMap::new();
    for (service, key) in kept {
        match keys::create(quota, &key, &format!("{service}-demo"), &service).await {
            Ok(()) => drop(keys.insert(service, key)),
            Err(problem) => tracing::info!(service, %problem, "no demo traffic without its key"),
        }
    }
    Ok(keys)
}

/// Lets the callers loose and shows the report, until shutdown.
pub(crate) async fn run(
    addresses: Addresses,
    keys: BTreeMap<String, String>,
    welcome: String,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut callers = JoinSet::new();
    for habit in traffic::habits() {
        let Some(key) = keys.get(habit.service) else { continue };
        callers.spawn(traffic::call(habit, addresses.gateway.clone(), key.clone(), shutdown.clone()));
    }
    show_report(&addresses.showback, &welcome, &shutdown).await;
    callers.join_all().await;
    Ok(())
}

/// Prints the report until shutdown: below the welcome on a terminal, now and then elsewhere.
async fn show_report(showback: &str, welcome: &str, shutdown: &CancellationToken) {
    let (http, on_terminal) = (Http::new(), output::is_terminal());
    let pause = if on_terminal { REFRESH_ON_TERMINAL } else { REFRESH_IN_LOG };
    while shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        match report::fetch(&http, showback).await {
            Ok(report) if report.is_empty() => {}
            Ok(report) if on_terminal => output::raw(&format!("{CLEAR}{welcome}\n{}\n", report.table())),
            Ok(report) => output::line(&report.table()),
            Err(problem) => tracing::warn!(%problem, "no report yet"),
        }
    }
}
