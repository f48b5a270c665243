//! `weir keys`: caller keys. A key is made here, shown once, and only its hash leaves.

use anyhow::{Context, bail};
use chrono::DateTime;
use weir_domain::directory::CallerKey;
use weir_domain::ids::{CallerKeyId, ServiceId};
use weir_domain::time::Timestamp;
use weir_proto::codec;
use weir_proto::governance::v1::{CreateCallerKeyRequest, ListCallerKeysRequest, RevokeCallerKeyRequest};
use weir_runtime::clock::{Clock, SystemClock};

use crate::client::{self, Quota};
use crate::config::Config;
use crate::{author, cli, output, secret_text};

/// What every caller key begins with, so that secret scanners can find a leaked one.
const PREFIX: &str = "weir_";

pub(crate) async fn run(config: &Config, command: cli::Keys) -> anyhow::Result<()> {
    let mut quota = client::connect(config).await?;
    match command {
        cli::Keys::Create { service, name, expires } => {
            create_and_show(&mut quota, &service, name, expires).await
        }
        cli::Keys::List => list(&mut quota).await,
        cli::Keys::Revoke { name } => revoke(&mut quota, name).await,
    }
}

async fn create_and_show(
    quota: &mut Quota,
    service: &str,
    name: Option<String>,
    expires: Option<String>,
) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let expires = expires.map(|text| instant(&text)).transpose()?;
    if expires.is_some_and(|expires| expires <= now) {
        bail!("--expires lies in the past: the key would never be accepted");
    }
    let name = name.unwrap_or_else(|| format!("{service}-{}", now.as_secs()));
    let key = random();
    create(quota, &key, &name, service, expires).await?;
    output::line(&key);
    output::note(&format!("key {name} of {service}: shown this once; Weir keeps only its SHA-256"));
    Ok(())
}

/// A new key.
pub(crate) fn random() -> String {
    secret_text::random(PREFIX)
}

/// Makes a key known. The very same key again changes nothing.
pub(crate) async fn create(
    quota: &mut Quota,
    key: &str,
    name: &str,
    service: &str,
    expires: Option<Timestamp>,
) -> anyhow::Result<()> {
    let caller_key = CallerKey {
        id: CallerKeyId::try_new(name)?,
        hash: secret_text::hash(key),
        service: ServiceId::try_new(service)?,
        expires,
    };
    let request = CreateCallerKeyRequest {
        author: author(),
        reason: "weir keys create".to_owned(),
        key: Some(codec::caller_key_to_wire(&caller_key)),
    };
    quota.governance.create_caller_key(request).await.map_err(|status| client::said(&status))?;
    Ok(())
}

/// Whether any key is accepted.
pub(crate) async fn any(quota: &mut Quota) -> anyhow::Result<bool> {
    let listed = quota.governance.list_caller_keys(ListCallerKeysRequest {}).await;
    Ok(!listed.map_err(|status| client::said(&status))?.into_inner().keys.is_empty())
}

async fn list(quota: &mut Quota) -> anyhow::Result<()> {
    let listed = quota.governance.list_caller_keys(ListCallerKeysRequest {}).await;
    let keys = listed.map_err(|status| client::said(&status))?.into_inner().keys;
    let mut rows = Vec::with_capacity(keys.len());
    for key in &keys {
        let key = codec::caller_key_from_wire(key)?;
        let expires = key.expires.map_or_else(|| "never".to_owned(), codec::rfc3339);
        rows.push(vec![key.id.to_string(), key.service.to_string(), expires]);
    }
    output::line(&output::table(&["key", "service", "expires"], 3, rows));
    Ok(())
}

async fn revoke(quota: &mut Quota, name: String) -> anyhow::Result<()> {
    let request =
        RevokeCallerKeyRequest { author: author(), reason: "weir keys revoke".to_owned(), id: name.clone() };
    let reply = quota.governance.revoke_caller_key(request).await.map_err(|status| client::said(&status))?;
    let done = if reply.into_inner().revoked { "is revoked" } else { "had been revoked before" };
    output::line(&format!("{name} {done}"));
    Ok(())
}

fn instant(text: &str) -> anyhow::Result<Timestamp> {
    let at = DateTime::parse_from_rfc3339(text)
        .with_context(|| format!("--expires {text:?} is not an instant such as 2027-01-31T00:00:00Z"))?;
    let nanos = at.timestamp_nanos_opt().context("--expires lies beyond the year 2262")?;
    Ok(Timestamp::from_nanos(nanos))
}
