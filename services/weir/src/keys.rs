//! `weir keys`: caller keys. A key is made here, shown once, and only its hash leaves.

mod names;

use anyhow::bail;
use weir_domain::directory::{CallerKey, KeyHolder};
use weir_domain::ids::{CallerKeyId, ServiceId};
use weir_domain::time::Timestamp;
use weir_proto::codec;
use weir_proto::governance::v1::{
    CreateCallerKeyRequest, ListCallerKeysRequest, RevokeCallerKeyRequest, RotateCallerKeyRequest,
};
use weir_runtime::clock::{Clock, SystemClock};

use crate::client::{self, Quota};
use crate::config::Config;
use crate::instant::{Span, When, shown};
use crate::output::{Table, name, text, whole};
use crate::{cli, output, secret_text};

/// What every caller key begins with, so that secret scanners can find a leaked one.
const PREFIX: &str = "weir_";

pub(crate) async fn run(config: &Config, command: cli::Keys) -> anyhow::Result<()> {
    let mut quota = client::connect(config).await?;
    carry_out(&mut quota, command, SystemClock.now()).await
}

pub(crate) async fn carry_out(quota: &mut Quota, command: cli::Keys, now: Timestamp) -> anyhow::Result<()> {
    match command {
        cli::Keys::Create(request) => create_and_show(quota, request, now).await,
        cli::Keys::Rotate { name, overlap, expires, new_name, reason, seen } => {
            let new_name = new_name.map_or_else(|| names::successor(&name), Ok)?;
            let rotation = Rotation { old: name, new: new_name, old_expires: now.plus(overlap.0), expires };
            rotate(quota, rotation, reason, seen).await
        }
        cli::Keys::List => list(quota, now).await,
        cli::Keys::Revoke { name, reason, seen } => revoke(quota, name, reason, seen).await,
    }
}

async fn create_and_show(quota: &mut Quota, request: cli::KeyRequest, now: Timestamp) -> anyhow::Result<()> {
    let expires = request.expires.map(|when| when.seen_from(now));
    if expires.is_some_and(|expires| expires <= now) {
        bail!("--expires lies in the past: the key would never be accepted");
    }
    if request.human.as_ref().is_some_and(|name| name.trim().is_empty()) {
        bail!(
            "--human is empty; state the name of the person who holds the key, or leave it out for a program"
        );
    }
    let service = request.service;
    let id = request.name.map_or_else(|| names::for_key_of(&service), Ok)?;
    let key = random();
    let holder = request.human.map_or(KeyHolder::Workload, |name| KeyHolder::Human { name });
    let caller_key = CallerKey {
        id: id.clone(),
        hash: secret_text::hash(&key),
        service: service.clone(),
        holder,
        expires,
        models: request.models,
    };
    create_key(quota, &caller_key, request.reason, request.seen).await?;
    output::line(&key);
    output::note(&format!("key {id} of {service}: shown this once; Weir keeps only its SHA-256"));
    Ok(())
}

/// A new key.
pub(crate) fn random() -> String {
    secret_text::random(PREFIX)
}

/// Makes a program's key known, for all that its service may call. The very same key again changes nothing.
pub(crate) async fn create(quota: &mut Quota, key: &str, name: &str, service: &str) -> anyhow::Result<()> {
    let caller_key = CallerKey {
        id: CallerKeyId::try_new(name)?,
        hash: secret_text::hash(key),
        service: ServiceId::try_new(service)?,
        holder: KeyHolder::Workload,
        expires: None,
        models: Vec::new(),
    };
    create_key(quota, &caller_key, "weir keys create".to_owned(), cli::Seen::default()).await
}

async fn create_key(
    quota: &mut Quota,
    key: &CallerKey,
    reason: String,
    seen: cli::Seen,
) -> anyhow::Result<()> {
    let (author, key, etag) = (quota.author.clone(), Some(codec::caller_key_to_wire(key)), seen.etag());
    let request = CreateCallerKeyRequest { author, reason, key, etag, ..CreateCallerKeyRequest::default() };
    quota.governance.create_caller_key(request).await.map_err(|status| client::said(&status))?;
    Ok(())
}

/// Whether any key is accepted.
pub(crate) async fn any(quota: &mut Quota) -> anyhow::Result<bool> {
    let listed = quota.governance.list_caller_keys(ListCallerKeysRequest {}).await;
    Ok(!listed.map_err(|status| client::said(&status))?.into_inner().keys.is_empty())
}

/// A key takes the place of another.
struct Rotation {
    old: CallerKeyId,
    new: CallerKeyId,
    old_expires: Timestamp,
    expires: Option<When>,
}

async fn rotate(
    quota: &mut Quota,
    rotation: Rotation,
    reason: String,
    seen: cli::Seen,
) -> anyhow::Result<()> {
    let (key, now) = (random(), SystemClock.now());
    let Rotation { old, new, old_expires, expires } = rotation;
    let expires = expires.map(|when| when.seen_from(now));
    let request = RotateCallerKeyRequest {
        author: quota.author.clone(),
        reason,
        id: old.to_string(),
        new_id: new.to_string(),
        new_sha256: secret_text::hash(&key).as_bytes().to_vec(),
        old_expires: Some(codec::timestamp_to_wire(old_expires)),
        new_expires: expires.map(codec::timestamp_to_wire),
        etag: seen.etag(),
        request_id: String::new(),
    };
    quota.governance.rotate_caller_key(request).await.map_err(|status| client::said(&status))?;
    output::line(&key);
    let until = shown(old_expires);
    output::note(&format!("key {new}, in place of {old}, which is accepted until {until}: shown this once"));
    Ok(())
}

async fn list(quota: &mut Quota, now: Timestamp) -> anyhow::Result<()> {
    let listed = quota.governance.list_caller_keys(ListCallerKeysRequest {}).await;
    let listed = listed.map_err(|status| client::said(&status))?.into_inner();
    let keys = listed.keys.iter().map(codec::caller_key_from_wire).collect::<Result<Vec<_>, _>>()?;
    output::listed(&table(&keys, now), "no caller keys");
    output::etag(&listed.etag);
    Ok(())
}

fn table(keys: &[CallerKey], now: Timestamp) -> Table {
    let cells = |key: &CallerKey| {
        let holder = match &key.holder {
            KeyHolder::Workload => "a program".to_owned(),
            KeyHolder::Human { name } => name.clone(),
        };
        let models: Vec<_> = key.models.iter().map(ToString::to_string).collect();
        let models = if models.is_empty() { "all".to_owned() } else { models.join(", ") };
        let [expires, left] = expiry(key.expires, now);
        vec![key.id.to_string(), key.service.to_string(), holder, models, expires, left]
    };
    let columns = [
        name("key"),
        name("service").or_under(),
        name("held by"),
        text("models"),
        whole("expires"),
        whole("").or_under(),
    ];
    Table::new(columns, keys.iter().map(cells).collect())
}

/// When something expires and how far off that is, for two columns of a table.
pub(crate) fn expiry(expires: Option<Timestamp>, now: Timestamp) -> [String; 2] {
    match expires {
        None => ["never".to_owned(), String::new()],
        Some(at) if at <= now => [shown(at), "over".to_owned()],
        Some(at) => [shown(at), format!("in {}", Span(at.since(now)))],
    }
}

async fn revoke(quota: &mut Quota, name: CallerKeyId, reason: String, seen: cli::Seen) -> anyhow::Result<()> {
    let (author, id, etag) = (quota.author.clone(), name.to_string(), seen.etag());
    let request = RevokeCallerKeyRequest { author, reason, id, etag, ..RevokeCallerKeyRequest::default() };
    let reply = quota.governance.revoke_caller_key(request).await.map_err(|status| client::said(&status))?;
    let done = if reply.into_inner().revoked { "is revoked" } else { "had been revoked before" };
    output::line(&format!("{name} {done}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_who_holds_a_key_and_for_what() {
        let key = CallerKey {
            id: "chat-1".parse().unwrap(),
            hash: secret_text::hash("k"),
            service: "chat".parse().unwrap(),
            holder: KeyHolder::Human { name: "Ada".to_owned() },
            expires: Some(Timestamp::from_secs(60)),
            models: vec!["gpt-4o".parse().unwrap()],
        };
        let plain =
            CallerKey { holder: KeyHolder::Workload, expires: None, models: Vec::new(), ..key.clone() };
        let table = table(&[key, plain], Timestamp::EPOCH).within(None);
        for part in ["Ada", "gpt-4o", " in 1 min 0 s", "a program", "all", "never"] {
            assert!(table.contains(part), "{table}");
        }
        assert_eq!(expiry(Some(Timestamp::EPOCH), Timestamp::EPOCH), ["1970-01-01T00:00:00Z", "over"]);
    }
}
