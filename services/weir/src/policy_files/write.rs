//! The domain's policy → files that say the same: read again, they are the same policy.
//!
//! What has its usual value is left out, as a person would.

mod sheet;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use weir_domain::amount::RequestsPerMinute;
use weir_domain::burst::{Approval, Category, GrantedBurst};
use weir_domain::ids::TeamId;
use weir_domain::policy::{
    DataClass, Environment, Exception, Policy, Pool, Priority, Service, Team, Thresholds, Waiver,
};
use weir_domain::price::Price;

use super::{DEPTH_MAX, SANDBOX_LIMIT, collect};
use sheet::{Sheet, decimal, instant, quoted};

const HEADER: &str = "# What stands, as `weir export` wrote it: `weir plan` finds no change in it.\n";

/// The whole policy as one text.
pub(crate) fn one_file(policy: &Policy) -> String {
    let mut sheet = Sheet::new(HEADER);
    policy.pools.iter().for_each(|it| pool(&mut sheet, it));
    policy.teams.iter().for_each(|it| team(&mut sheet, it));
    policy.services.iter().for_each(|it| service(&mut sheet, it));
    policy.bursts.iter().for_each(|it| burst(&mut sheet, it));
    policy.exceptions.iter().for_each(|it| exception(&mut sheet, it));
    policy.prices.iter().for_each(|it| price(&mut sheet, it));
    sheet.text()
}

/// Writes the policy as files into a folder that holds no policy yet, and says which.
pub(crate) fn write_dir(policy: &Policy, dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut present = Vec::new();
    if dir.exists() {
        collect(dir, DEPTH_MAX, &mut present)?;
    }
    if let Some(present) = present.first() {
        bail!("{} is there already; remove it, or give another folder", present.display());
    }
    let mut written = Vec::new();
    for (name, text) in files(policy) {
        let path = dir.join(name);
        let parent = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// The files of a policy: a file for each kind, and for services one for each team. None is empty.
pub(super) fn files(policy: &Policy) -> Vec<(PathBuf, String)> {
    let mut teams: BTreeMap<&TeamId, Vec<&Service>> = BTreeMap::new();
    for service in &policy.services {
        teams.entry(&service.team).or_default().push(service);
    }
    let of_team = |(team, services): (&TeamId, Vec<&Service>)| {
        file(&format!("services/{team}.toml"), services, service)
    };
    let services: Vec<_> = teams.into_iter().filter_map(of_team).collect();
    let others = [
        file("pools.toml", &policy.pools, pool),
        file("teams.toml", &policy.teams, team),
        file("bursts.toml", &policy.bursts, burst),
        file("exceptions.toml", &policy.exceptions, exception),
        file("prices.toml", &policy.prices, price),
    ];
    others.into_iter().flatten().chain(services).collect()
}

fn file<'a, T: 'a>(
    name: &str,
    all: impl IntoIterator<Item = &'a T>,
    write: fn(&mut Sheet, &T),
) -> Option<(PathBuf, String)> {
    let mut sheet = Sheet::new(HEADER);
    all.into_iter().for_each(|it| write(&mut sheet, it));
    let is_empty = sheet.is_empty();
    (!is_empty).then(|| (name.into(), sheet.text()))
}

fn pool(sheet: &mut Sheet, pool: &Pool) {
    sheet.block("pool").name("name", &pool.id).count("tokens_per_minute", pool.capacity.get());
    sheet.some("requests_per_minute", pool.requests.map(RequestsPerMinute::get));
    if pool.thresholds != Thresholds::default() {
        let Thresholds { critical_percent: critical, standard_percent: standard, batch_percent: batch } =
            pool.thresholds;
        let written = format!("{{ critical = {critical}, standard = {standard}, batch = {batch} }}");
        sheet.raw("thresholds", &written);
    }
    for model in &pool.models {
        sheet.block("pool.model").name("name", &model.name).name("encoding", model.encoding.as_str());
        sheet.count("output_tokens_max", model.output_max.get());
    }
    for deployment in &pool.deployments {
        sheet.block("pool.deployment").name("upstream", &deployment.upstream);
        sheet.name("name", &deployment.id).name("model", &deployment.model);
    }
}

fn team(sheet: &mut Sheet, team: &Team) {
    sheet.block("team").name("name", &team.id).name("title", &team.title);
    sheet.unless_empty("contact", &team.contact);
}

fn service(sheet: &mut Sheet, service: &Service) {
    let purpose = &service.purpose;
    sheet.block("service").name("name", &service.id).name("team", &service.team);
    sheet.unless_empty("owner", &purpose.owner).unless_empty("contact", &purpose.contact);
    sheet.unless_empty("use_case", &purpose.use_case).unless_empty("population", &purpose.population);
    sheet.unless_empty("when_throttled", &purpose.when_throttled).unless_empty("metric", &purpose.metric);
    if service.environment != Environment::default() {
        sheet.name("environment", service.environment.as_str());
    }
    if service.data_class != DataClass::default() {
        sheet.name("data_class", service.data_class.as_str());
    }
    if !service.regions.is_empty() {
        let regions: Vec<_> = service.regions.iter().map(|region| quoted(region)).collect();
        sheet.raw("regions", &format!("[{}]", regions.join(", ")));
    }
    if service.priority != Priority::default() {
        sheet.name("priority", service.priority.as_str());
    }
    service.allocations.iter().for_each(|held| sheet::allocation(sheet, held));
}

fn burst(sheet: &mut Sheet, granted: &GrantedBurst) {
    let (burst, approver) = (&granted.burst, &granted.approver);
    sheet.block("burst").name("name", &burst.id).name("service", &burst.service).name("pool", &burst.pool);
    sheet.count("extra", burst.extra.get());
    sheet.raw("start", &instant(burst.window.start())).raw("end", &instant(burst.window.end()));
    if burst.category != Category::default() {
        sheet.name("category", burst.category.as_str());
    }
    sheet.name("reason", &burst.reason);
    if burst.requester != *approver {
        sheet.name("requester", &burst.requester);
    }
    sheet.name("approved_by", approver).flag("best_effort", granted.approval == Approval::BestEffort);
}

fn exception(sheet: &mut Sheet, exception: &Exception) {
    let waives = match &exception.waives {
        Waiver::SandboxLimit => SANDBOX_LIMIT,
        Waiver::Other(rule) => rule,
    };
    sheet.block("exception").name("name", &exception.id).name("service", &exception.service);
    sheet.name("waives", waives).name("owner", &exception.owner).name("reason", &exception.reason);
    sheet.raw("end", &instant(exception.end));
}

fn price(sheet: &mut Sheet, price: &Price) {
    const PLACES: usize = 6;
    let per_million = |pico: weir_domain::price::PicoPerToken| decimal(pico.get(), PLACES);
    sheet.block("price").name("model", &price.model).raw("valid_from", &instant(price.valid_from));
    sheet.name("currency", price.currency.as_str()).name("input", per_million(price.input));
    if price.input_cached != price.input {
        sheet.name("input_cached", per_million(price.input_cached));
    }
    sheet.name("output", per_million(price.output));
}
