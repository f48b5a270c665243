//! TOML as a person would write it, block by block; and allocations, which have the most fields.

use std::fmt::Display;

use weir_domain::amount::{RequestsPerMinute, TokensPerMinute};
use weir_domain::budget::{Budget, BudgetKind, BudgetLimit};
use weir_domain::calendar::{Utc, Zone};
use weir_domain::policy::{Allocation, Enforcement, FailureMode};
use weir_domain::time::Timestamp;
use weir_proto::codec;

use crate::policy_files::read::{THRESHOLDS, kind_name};

/// A text that grows block by block.
pub(super) struct Sheet {
    text: String,
    header: usize,
}

impl Sheet {
    pub(super) fn new(header: &str) -> Self {
        Self { text: header.to_owned(), header: header.len() }
    }

    pub(super) fn text(self) -> String {
        self.text
    }

    /// Whether there is no block.
    pub(super) fn is_empty(&self) -> bool {
        self.text.len() == self.header
    }

    /// Begins `[[name]]`.
    pub(super) fn block(&mut self, name: &str) -> &mut Self {
        self.text += &format!("\n[[{name}]]\n");
        self
    }

    /// A field whose value is TOML already.
    pub(super) fn raw(&mut self, field: &str, value: &str) -> &mut Self {
        self.text += &format!("{field} = {value}\n");
        self
    }

    /// A field with a text.
    pub(super) fn name(&mut self, field: &str, value: impl Display) -> &mut Self {
        self.raw(field, &quoted(&value.to_string()))
    }

    /// A field with a text, if there is one.
    pub(super) fn unless_empty(&mut self, field: &str, value: &str) -> &mut Self {
        if value.is_empty() { self } else { self.name(field, value) }
    }

    /// A field with a number.
    pub(super) fn count(&mut self, field: &str, value: u64) -> &mut Self {
        self.raw(field, &crate::output::grouped_by(value, '_'))
    }

    /// A field with a number, if there is one.
    pub(super) fn some(&mut self, field: &str, value: Option<u64>) -> &mut Self {
        if let Some(value) = value { self.count(field, value) } else { self }
    }

    /// A field that is there only if it is true.
    pub(super) fn flag(&mut self, field: &str, value: bool) -> &mut Self {
        if value { self.raw(field, "true") } else { self }
    }
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// To the second, or to the nanosecond where that says more.
pub(super) fn instant(at: Timestamp) -> String {
    if Timestamp::from_secs(at.as_secs()) == at { Utc(at).to_string() } else { codec::rfc3339(at) }
}

/// A number of parts as a decimal with at least two places: 2 500 000 millionths are `2.50`.
pub(super) fn decimal(parts: u64, places: usize) -> String {
    let digits = format!("{parts:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("{whole}.{:0<2}", fraction.trim_end_matches('0'))
}

/// An allocation within its service.
pub(super) fn allocation(sheet: &mut Sheet, held: &Allocation) {
    let terms = &held.terms;
    sheet.block("service.allocation").name("pool", &held.pool).count("baseline", terms.baseline.get());
    sheet.some("ceiling", (terms.ceiling != terms.baseline).then_some(terms.ceiling.get()));
    sheet.some("lending", terms.lending.map(TokensPerMinute::get));
    sheet.count("request_max", terms.request_max.get());
    sheet.some("requests_per_minute", terms.requests.map(RequestsPerMinute::get));
    sheet.some("in_flight_max", terms.in_flight_max.map(u64::from));
    if let FailureMode::Open { tokens_per_outage } = terms.failure {
        let admitted = crate::output::grouped_by(tokens_per_outage.get(), '_');
        sheet.raw("when_quota_is_away", &format!("{{ admit_tokens = {admitted} }}"));
    }
    sheet.flag("shadow", terms.enforcement == Enforcement::Shadow);
    terms.budgets.iter().for_each(|it| budget(sheet, it));
}

fn budget(sheet: &mut Sheet, budget: &Budget) {
    const NANO_PLACES: usize = 9;
    sheet.block("service.allocation.budget").name("name", &budget.id);
    match &budget.limit {
        BudgetLimit::Tokens(tokens) => sheet.count("tokens", tokens.get()),
        BudgetLimit::Money(money, currency) => {
            sheet.name("money", decimal(money.get(), NANO_PLACES)).name("currency", currency.as_str())
        }
    };
    sheet.name("per", budget.period.as_str());
    if budget.zone != Zone::UTC {
        sheet.name("zone", budget.zone.as_str());
    }
    if budget.kind != BudgetKind::default() {
        sheet.name("kind", kind_name(budget.kind));
    }
    if budget.thresholds != THRESHOLDS {
        let thresholds: Vec<_> = budget.thresholds.iter().map(ToString::to_string).collect();
        sheet.raw("thresholds", &format!("[{}]", thresholds.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_two_places_and_no_more_than_they_need() {
        let cases =
            [(2_500_000, "2.50"), (75_000, "0.075"), (0, "0.00"), (1, "0.000001"), (10_000_000, "10.00")];
        for (parts, text) in cases {
            assert_eq!(decimal(parts, 6), text);
        }
    }

    #[test]
    fn an_instant_is_written_to_the_second_if_that_says_it_all() {
        assert_eq!(instant(Timestamp::from_secs(951_782_400)), "2000-02-29T00:00:00Z");
        assert_eq!(instant(Timestamp::from_nanos(1)), "1970-01-01T00:00:00.000000001Z");
    }
}
