//! Entries of policy files → the domain's policy.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use toml::value::Datetime;
use weir_domain::amount::{Tokens, TokensPerMinute};
use weir_domain::policy::{Allocation, Burst, Deployment, Encoding, Model, Policy, Pool, Service, Team};
use weir_domain::price::{Currency, PicoPerToken, Price};
use weir_domain::time::{Timestamp, Window};

use super::{BurstEntry, DeploymentEntry, Entry, ModelEntry, PoolEntry, PriceEntry, ServiceEntry, TeamEntry};

macro_rules! entry {
    ($($entry:ident . $name:ident is $kind:literal: $convert:ident -> $value:ident in $list:ident;)+) => {
        $(impl Entry for $entry {
            type Value = $value;
            const KIND: &'static str = $kind;

            fn name(&self) -> &str {
                &self.$name
            }

            fn convert(&self) -> Result<$value, String> {
                $convert(self)
            }

            fn list(policy: &mut Policy) -> &mut Vec<$value> {
                &mut policy.$list
            }
        })+
    };
}

entry! {
    PoolEntry.name is "pool": pool -> Pool in pools;
    TeamEntry.name is "team": team -> Team in teams;
    ServiceEntry.name is "service": service -> Service in services;
    BurstEntry.name is "burst": burst -> Burst in bursts;
    PriceEntry.model is "price": price -> Price in prices;
}

fn pool(entry: &PoolEntry) -> Result<Pool, String> {
    Ok(Pool {
        id: parsed(&entry.name)?,
        capacity: TokensPerMinute::new(entry.tokens_per_minute),
        models: entry.model.iter().map(model).collect::<Result<_, _>>()?,
        deployments: entry.deployment.iter().map(deployment).collect::<Result<_, _>>()?,
    })
}

fn model(entry: &ModelEntry) -> Result<Model, String> {
    let encoding = match entry.encoding.as_str() {
        "o200k_base" => Encoding::O200kBase,
        "cl100k_base" => Encoding::Cl100kBase,
        other => return Err(format!("encoding {other:?} is unknown; use \"o200k_base\" or \"cl100k_base\"")),
    };
    Ok(Model { name: parsed(&entry.name)?, encoding, output_max: Tokens::new(entry.output_tokens_max) })
}

fn deployment(entry: &DeploymentEntry) -> Result<Deployment, String> {
    Ok(Deployment {
        upstream: parsed(&entry.upstream)?,
        id: parsed(&entry.name)?,
        model: parsed(&entry.model)?,
    })
}

fn team(entry: &TeamEntry) -> Result<Team, String> {
    Ok(Team { id: parsed(&entry.name)?, title: entry.title.clone() })
}

fn service(entry: &ServiceEntry) -> Result<Service, String> {
    let allocation = |held: &super::AllocationEntry| {
        Ok(Allocation {
            pool: parsed(&held.pool)?,
            baseline: TokensPerMinute::new(held.baseline),
            request_max: Tokens::new(held.request_max),
        })
    };
    Ok(Service {
        id: parsed(&entry.name)?,
        team: parsed(&entry.team)?,
        owner: entry.owner.clone(),
        use_case: entry.use_case.clone(),
        when_throttled: entry.when_throttled.clone(),
        allocations: entry.allocation.iter().map(allocation).collect::<Result<_, String>>()?,
    })
}

fn burst(entry: &BurstEntry) -> Result<Burst, String> {
    let (start, end) = (instant(&entry.start)?, instant(&entry.end)?);
    Ok(Burst {
        id: parsed(&entry.name)?,
        service: parsed(&entry.service)?,
        pool: parsed(&entry.pool)?,
        extra: TokensPerMinute::new(entry.extra),
        window: Window::try_new(start, end).ok_or("end must be after start")?,
        reason: entry.reason.clone(),
        approved_by: entry.approved_by.clone(),
    })
}

fn price(entry: &PriceEntry) -> Result<Price, String> {
    let per_million = |text: &str| PicoPerToken::try_per_million(text).map_err(|problem| problem.to_string());
    let input = per_million(&entry.input)?;
    Ok(Price {
        model: parsed(&entry.model)?,
        valid_from: instant(&entry.valid_from)?,
        currency: Currency::try_new(&entry.currency).map_err(|problem| problem.to_string())?,
        input,
        input_cached: entry.input_cached.as_deref().map_or(Ok(input), per_million)?,
        output: per_million(&entry.output)?,
    })
}

fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|problem: T::Err| problem.to_string())
}

/// An instant with its offset, or a date, which means its first moment in UTC.
fn instant(written: &Datetime) -> Result<Timestamp, String> {
    let text = written.to_string();
    let at: Option<DateTime<Utc>> =
        DateTime::parse_from_rfc3339(&text).map(|at| at.to_utc()).ok().or_else(|| {
            let day: NaiveDate = text.parse().ok()?;
            Some(day.and_hms_opt(0, 0, 0)?.and_utc())
        });
    at.and_then(|at| at.timestamp_nanos_opt())
        .map(Timestamp::from_nanos)
        .ok_or_else(|| format!("{text} is not an instant; write 2026-01-31T09:00:00+01:00, or a date"))
}
