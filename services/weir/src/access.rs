//! `weir access` and `weir whoami`: who may ask and decide at the quota service, as what.

use anyhow::bail;
use weir_domain::access::{AccessKey, Role};
use weir_domain::ids::{AccessKeyId, TeamId};
use weir_domain::time::Timestamp;
use weir_proto::codec;
use weir_proto::governance::v1::{
    CreateAccessKeyRequest, ListAccessKeysRequest, RevokeAccessKeyRequest, WhoAmIRequest,
};
use weir_runtime::clock::{Clock, SystemClock};

use crate::cli::RoleName;
use crate::client::{self, Quota};
use crate::config::Config;
use crate::output::{Table, name, whole};
use crate::{cli, keys, output, secret_text};

/// What every access key begins with, so that secret scanners can find a leaked one.
const PREFIX: &str = "weir_access_";

pub(crate) async fn run(config: &Config, command: cli::Access) -> anyhow::Result<()> {
    let mut quota = client::connect(config).await?;
    let now = SystemClock.now();
    match command {
        cli::Access::Create { name, role, team, expires, reason, seen } => {
            let expires = expires.map(|when| when.seen_from(now));
            if expires.is_some_and(|expires| expires <= now) {
                bail!("--expires lies in the past: the key would never be accepted");
            }
            let role = role_of(role, team)?;
            create(&mut quota, (name, role, expires), reason, seen).await
        }
        cli::Access::List => list(&mut quota, now).await,
        cli::Access::Revoke { name, reason, seen } => revoke(&mut quota, name, reason, seen).await,
    }
}

fn role_of(role: RoleName, team: Option<TeamId>) -> anyhow::Result<Role> {
    match (role, team) {
        (RoleName::Lead, Some(team)) => Ok(Role::Lead(team)),
        (RoleName::Lead, None) => bail!("a lead is of a team; give --team"),
        (_, Some(_)) => bail!("only a lead has a team; leave out --team, or give --role lead"),
        (RoleName::Admin, None) => Ok(Role::Admin),
        (RoleName::Approver, None) => Ok(Role::Approver),
        (RoleName::Node, None) => Ok(Role::Node),
        (RoleName::Viewer, None) => Ok(Role::Viewer),
    }
}

async fn create(
    quota: &mut Quota,
    (id, role, expires): (AccessKeyId, Role, Option<Timestamp>),
    reason: String,
    seen: cli::Seen,
) -> anyhow::Result<()> {
    let secret = secret_text::random(PREFIX);
    let key = AccessKey { id, hash: secret_text::hash(&secret), role, expires };
    let (author, wire, etag) = (quota.author.clone(), Some(codec::access_key_to_wire(&key)), seen.etag());
    let request =
        CreateAccessKeyRequest { author, reason, key: wire, etag, ..CreateAccessKeyRequest::default() };
    quota.governance.create_access_key(request).await.map_err(|status| client::said(&status))?;
    output::line(&secret);
    output::note(&format!(
        "access key {} for {} {}: shown this once\nIts holder puts it into a file only they can read, and runs weir with \
         WEIR__QUOTA__TOKEN__FILE=that-file",
        key.id,
        article(&key.role),
        key.role
    ));
    Ok(())
}

fn article(role: &Role) -> &'static str {
    match role {
        Role::Admin | Role::Approver => "an",
        Role::Lead(_) | Role::Node | Role::Viewer => "a",
    }
}

async fn list(quota: &mut Quota, now: Timestamp) -> anyhow::Result<()> {
    let reply = quota.governance.list_access_keys(ListAccessKeysRequest {}).await;
    let reply = reply.map_err(|status| client::said(&status))?.into_inner();
    let keys = reply.keys.iter().map(codec::access_key_from_wire).collect::<Result<Vec<_>, _>>()?;
    output::listed(&table(&keys, now), "no access keys");
    output::etag(&reply.etag);
    Ok(())
}

fn table(keys: &[AccessKey], now: Timestamp) -> Table {
    let cells = |key: &AccessKey| {
        let [expires, left] = keys::expiry(key.expires, now);
        vec![key.id.to_string(), key.role.to_string(), expires, left]
    };
    let columns = [name("access key"), name("role"), whole("expires"), whole("").or_under()];
    Table::new(columns, keys.iter().map(cells).collect())
}

async fn revoke(quota: &mut Quota, name: AccessKeyId, reason: String, seen: cli::Seen) -> anyhow::Result<()> {
    let (author, id, etag) = (quota.author.clone(), name.to_string(), seen.etag());
    let request = RevokeAccessKeyRequest { author, reason, id, etag, ..RevokeAccessKeyRequest::default() };
    let reply = quota.governance.revoke_access_key(request).await.map_err(|status| client::said(&status))?;
    let done = if reply.into_inner().revoked { "is revoked" } else { "had been revoked before" };
    output::line(&format!("{name} {done}"));
    Ok(())
}

/// Says who the caller is to the quota service.
pub(crate) async fn who_am_i(config: &Config) -> anyhow::Result<()> {
    let mut quota = client::connect(config).await?;
    let reply = quota.governance.who_am_i(WhoAmIRequest {}).await.map_err(|status| client::said(&status))?;
    let reply = reply.into_inner();
    let role = codec::role_from_wire(reply.role, &reply.team)?;
    output::line(&format!("{}, as {} {role}", reply.name, article(&role)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_has_a_team_and_nobody_else_has() {
        let team = || Some(TeamId::try_new("care").unwrap());
        assert_eq!(role_of(RoleName::Lead, team()).unwrap().to_string(), "lead of team care");
        assert!(role_of(RoleName::Lead, None).is_err());
        assert!(role_of(RoleName::Viewer, team()).is_err());
        assert_eq!(role_of(RoleName::Viewer, None).unwrap(), Role::Viewer);
    }

    #[test]
    fn a_list_says_who_is_what() {
        let key = AccessKey {
            id: "ada".parse().unwrap(),
            hash: secret_text::hash("k"),
            role: Role::Lead("care".parse().unwrap()),
            expires: None,
        };
        let table = table(&[key], Timestamp::EPOCH).within(None);
        assert!(["ada", "lead of team care", "never"].iter().all(|part| table.contains(part)), "{table}");
    }
}
