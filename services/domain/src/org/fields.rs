//! What a thing is, field by field, so that a person can read what is new about it.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::budget::{Budget, BudgetKind};
use crate::burst::{Burst, GrantedBurst};
use crate::calendar::Utc;
use crate::policy::{
    Enforcement, Exception, FailureMode, Pool, Purpose, Service, Team, Terms, Thresholds, Waiver,
};
use crate::price::{PicoPerToken, Price};

/// The fields of a thing, in the order in which they are read.
#[derive(Default)]
pub(super) struct Fields(Vec<Field>);

struct Field {
    name: String,
    value: String,
    /// Not worth a word about something new.
    usual: bool,
}

impl Fields {
    /// `baseline 60000, ceiling 120000`
    pub(super) fn all(&self) -> String {
        let telling = self.0.iter().filter(|field| !field.usual);
        telling.map(|field| format!("{} {}", field.name, field.value)).collect::<Vec<_>>().join(", ")
    }

    /// `baseline 60000 → 90000, lending none → 5000`: what of it is other than before.
    pub(super) fn changes_from(&self, before: &Self) -> String {
        let came = self.0.iter().map(|field| (field, before.value_of(&field.name), field.value.as_str()));
        let gone = before.0.iter().filter(|field| self.value_of(&field.name) == NONE);
        let all = came.chain(gone.map(|field| (field, field.value.as_str(), NONE)));
        let changes = all.filter(|(_, old, new)| old != new);
        let texts: Vec<_> =
            changes.map(|(field, old, new)| format!("{} {old} → {new}", field.name)).collect();
        if texts.is_empty() { "in another order".to_owned() } else { texts.join(", ") }
    }

    fn value_of(&self, name: &str) -> &str {
        self.0.iter().find(|field| field.name == name).map_or(NONE, |field| &field.value)
    }

    fn with(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.0.push(Field { name: name.into(), value: value.to_string(), usual: false });
        self
    }

    /// A field whose value goes without saying, if it is `usual`.
    fn with_usual<T: PartialEq>(self, name: &str, value: &T, usual: &T, shown: impl Display) -> Self {
        let mut fields = self.with(name, shown);
        if let Some(last) = fields.0.last_mut() {
            last.usual = value == usual;
        }
        fields
    }

    fn with_some(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn with_text(self, name: &str, text: &str) -> Self {
        self.with_some(name, (!text.is_empty()).then(|| format!("{text:?}")))
    }
}

/// Stands where a thing has no such field.
const NONE: &str = "none";

pub(super) fn of_pool(pool: &Pool) -> Fields {
    let thresholds = pool.thresholds;
    let percent = format!(
        "{} % critical, {} % standard, {} % batch",
        thresholds.critical_percent, thresholds.standard_percent, thresholds.batch_percent
    );
    let mut fields = Fields::default()
        .with("capacity", pool.capacity)
        .with_some("requests", pool.requests)
        .with_usual("thresholds", &thresholds, &Thresholds::default(), percent);
    for model in &pool.models {
        let (encoding, output_max) = (model.encoding.as_str(), model.output_max);
        fields =
            fields.with(format!("model {}", model.name), format!("({encoding}, output up to {output_max})"));
    }
    let mut served: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for deployment in &pool.deployments {
        let name = format!("deployment {}/{}", deployment.upstream, deployment.id);
        served.entry(name).or_default().push(deployment.model.as_str());
    }
    served
        .into_iter()
        .fold(fields, |fields, (name, models)| fields.with(name, format!("({})", models.join(", "))))
}

pub(super) fn of_team(team: &Team) -> Fields {
    Fields::default().with_text("title", &team.title).with_text("contact", &team.contact)
}

pub(super) fn of_service(service: &Service) -> Fields {
    let Purpose { owner, contact, use_case, population, when_throttled, metric } = &service.purpose;
    let (environment, data_class, priority) = (service.environment, service.data_class, service.priority);
    let regions = &service.regions;
    Fields::default()
        .with("team", &service.team)
        .with_text("owner", owner)
        .with_text("contact", contact)
        .with_text("use case", use_case)
        .with_text("population", population)
        .with_text("when throttled", when_throttled)
        .with_text("metric", metric)
        .with("environment", environment.as_str())
        .with("data class", data_class.as_str())
        .with_some("regions", (!regions.is_empty()).then(|| regions.join(" ")))
        .with("priority", priority.as_str())
}

pub(super) fn of_terms(terms: &Terms) -> Fields {
    let failure = match terms.failure {
        FailureMode::Closed => "closed".to_owned(),
        FailureMode::Open { tokens_per_outage } => format!("open up to {tokens_per_outage}"),
    };
    let refusals = match terms.enforcement {
        Enforcement::Enforced => "enforced",
        Enforcement::Shadow => "recorded only",
    };
    let lapse = terms.lapse.map(|lapse| format!("to {} at {}", lapse.to, Utc(lapse.at)));
    let fields = Fields::default()
        .with("baseline", terms.baseline)
        .with("ceiling", terms.ceiling)
        .with_some("lending", terms.lending)
        .with("request_max", terms.request_max)
        .with_some("requests", terms.requests)
        .with_some("in_flight_max", terms.in_flight_max)
        .with_usual("priority", &(), &(), terms.priority.as_str())
        .with_usual("failure", &terms.failure, &FailureMode::Closed, failure)
        .with_usual("refusals", &terms.enforcement, &Enforcement::Enforced, refusals)
        .with_some("lapse", lapse);
    let named = |budget: &Budget| (format!("budget {}", budget.id), of_budget(budget));
    terms.budgets.iter().map(named).fold(fields, |fields, (name, budget)| fields.with(name, budget))
}

fn of_budget(budget: &Budget) -> String {
    let limit = budget.limit.shown(budget.limit.amount());
    let (period, zone) = (budget.period.as_str(), budget.zone.as_str());
    let kind = match budget.kind {
        BudgetKind::Hard => "hard",
        BudgetKind::Soft => "soft",
    };
    let thresholds: Vec<_> = budget.thresholds.iter().map(|percent| format!(" {percent} %")).collect();
    let told =
        if thresholds.is_empty() { String::new() } else { format!(", told at{}", thresholds.concat()) };
    format!("({limit} a {period} in {zone}, {kind}{told})")
}

pub(super) fn of_request(burst: &Burst) -> Fields {
    Fields::default()
        .with("service", &burst.service)
        .with("pool", &burst.pool)
        .with("extra", burst.extra)
        .with("from", Utc(burst.window.start()))
        .with("to", Utc(burst.window.end()))
        .with("category", burst.category.as_str())
        .with_text("requester", &burst.requester)
}

pub(super) fn of_burst(granted: &GrantedBurst) -> Fields {
    let (burst, window) = (&granted.burst, granted.burst.window);
    Fields::default()
        .with("service", &burst.service)
        .with("pool", &burst.pool)
        .with("extra", burst.extra)
        .with("from", Utc(window.start()))
        .with("to", Utc(window.end()))
        .with("approval", granted.approval.as_str())
        .with("category", burst.category.as_str())
        .with_text("reason", &burst.reason)
        .with_text("requester", &burst.requester)
        .with_text("approver", &granted.approver)
}

pub(super) fn of_exception(exception: &Exception) -> Fields {
    let waives = match &exception.waives {
        Waiver::SandboxLimit => "the sandbox limit".to_owned(),
        Waiver::Other(rule) => format!("{rule:?}"),
    };
    Fields::default()
        .with("service", &exception.service)
        .with("waives", waives)
        .with("end", Utc(exception.end))
        .with_text("owner", &exception.owner)
        .with_text("reason", &exception.reason)
}

pub(super) fn of_price(price: &Price) -> Fields {
    Fields::default()
        .with("currency", price.currency.as_str())
        .with("input", per_million(price.input))
        .with("input_cached", per_million(price.input_cached))
        .with("output", per_million(price.output))
}

/// A price for a million tokens, as policies state it.
fn per_million(price: PicoPerToken) -> String {
    const MICRO: u64 = 1_000_000;
    let (whole, fraction) = (price.get() / MICRO, format!("{:06}", price.get() % MICRO));
    format!("{whole}.{:0<2}", fraction.trim_end_matches('0'))
}
