//! Settings of who is asked about by an Envoy filter: `[quota.envoy]` of `weir.toml`.
//!
//! A filter describes a request by entries of keys and values; rules say which of them are the service, the pool and the
//! model. Of several rules that fit a descriptor the first counts.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;
use weir_domain::ids::{CALL_TOKENS_MAX, ModelName, PoolId, ServiceId};
use weir_runtime::config::Problem;

/// How many rules there may be: every descriptor is held against them one by one.
const RULES_MAX: usize = 256;
/// A value that stands for any.
const ANY: &str = "*";

/// What Envoy filters ask about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Envoy {
    /// What is said to a descriptor that fits no rule.
    pub unmatched: Unmatched,
    /// What descriptors are about.
    pub rules: Vec<Rule>,
}

/// What is said to a descriptor that fits no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmatched {
    /// That it may pass: Weir does not limit it.
    #[default]
    Ok,
    /// That nobody knows. Envoy lets it pass; others may not.
    Unknown,
    /// That it may not pass.
    OverLimit,
}

/// What descriptors are about that have certain entries.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rule {
    /// The domain that the filter is configured with.
    pub domain: String,
    /// Entries that a descriptor must have, by key; `*` is any value. Those that are named below it must have, too.
    #[serde(default)]
    pub entries: BTreeMap<String, String>,
    /// The service that is charged.
    pub service: Part,
    /// The pool that it takes from.
    pub pool: Part,
    /// The model, for budgets in money. Without it tokens cost what the dearest of the pool costs.
    pub model: Option<Part>,
    /// The entry whose value tells a request from all others. What a request asks for is then held, not charged, until a
    /// report of the same request says what it has used.
    pub request: Option<String>,
    /// How many tokens a request takes that does not say so. 1 if not set, as the protocol has it.
    pub tokens_default: Option<u64>,
    /// What the descriptor's hits are.
    #[serde(default)]
    pub charge: Charge,
    /// Decide and count, and let pass whatever is decided.
    #[serde(default)]
    pub shadow: bool,
}

/// A text that stands in the settings, or in the descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a name, or { entry = \"the key of an entry\" }")]
pub enum Part {
    /// This.
    Fixed(String),
    /// The value of an entry.
    Entry(EntryKey),
}

/// Which entry of a descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryKey {
    /// Its key.
    pub entry: String,
}

/// What a descriptor's hits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charge {
    /// What the request asks for: it passes and is charged, or is refused. Zero asks whether it would pass, and takes nothing.
    #[default]
    OnRequest,
    /// What a request has used: it is charged, and never refused, for it has happened. For `apply_on_stream_done`.
    Report,
}

impl Envoy {
    /// All that is wrong with them.
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        if self.rules.len() > RULES_MAX {
            let message = format!("has {} rules; {RULES_MAX} are the most there may be", self.rules.len());
            found.push(Problem { place: "quota.envoy.rules".to_owned(), message });
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let mut add = |key: &str, message: String| {
                found.push(Problem { place: format!("quota.envoy.rules[{index}].{key}"), message });
            };
            rule.problems(&mut add);
            let before = self.rules[..index].iter().position(|other| other.takes_all_of(rule));
            if let Some(before) = before {
                let message =
                    format!("leave nothing to this rule: rule {before} takes all that would fit it");
                add("entries", message);
            }
        }
        found
    }
}

impl Rule {
    fn problems(&self, add: &mut impl FnMut(&str, String)) {
        if self.domain.is_empty() {
            add("domain", "is empty; state the domain that the filter is configured with".to_owned());
        }
        if self.entries.contains_key("") {
            add("entries", "have an empty key; a descriptor has none such".to_owned());
        }
        self.service.problems::<ServiceId>("service", add);
        self.pool.problems::<PoolId>("pool", add);
        if let Some(model) = &self.model {
            model.problems::<ModelName>("model", add);
        }
        if self.request.as_deref() == Some("") {
            add("request", "is empty; state the key of an entry".to_owned());
        }
        if self.tokens_default.is_some_and(|tokens| tokens == 0 || tokens > CALL_TOKENS_MAX.get()) {
            add("tokens_default", format!("must be from 1 to {CALL_TOKENS_MAX}"));
        }
        if self.shadow && self.charge == Charge::Report {
            add("shadow", "has no meaning for a report, which always passes; leave it out".to_owned());
        }
    }

    /// The keys of entries that a descriptor must have, with the values that they must have, if any.
    pub(super) fn required(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let stated = self.entries.iter().map(|(key, value)| {
            let value = (value != ANY).then_some(value.as_str());
            (key.as_str(), value)
        });
        let parts = [Some(&self.service), Some(&self.pool), self.model.as_ref()];
        let named = parts.into_iter().flatten().filter_map(Part::key).chain(self.request.as_deref());
        stated.chain(named.map(|key| (key, None)))
    }

    /// Whether whatever fits another rule fits this one.
    fn takes_all_of(&self, other: &Self) -> bool {
        let has = |(key, value): (&str, Option<&str>)| {
            other.required().any(|(theirs, stated)| key == theirs && (value.is_none() || value == stated))
        };
        self.domain == other.domain && self.required().all(has)
    }
}

impl Part {
    fn key(&self) -> Option<&str> {
        match self {
            Self::Fixed(_) => None,
            Self::Entry(EntryKey { entry }) => Some(entry),
        }
    }

    fn problems<T: FromStr<Err: std::fmt::Display>>(&self, key: &str, add: &mut impl FnMut(&str, String)) {
        match self {
            Self::Fixed(name) => {
                if let Err(problem) = name.parse::<T>() {
                    add(key, problem.to_string());
                }
            }
            Self::Entry(EntryKey { entry }) if entry.is_empty() => {
                add(&format!("{key}.entry"), "is empty; state the key of an entry".to_owned());
            }
            Self::Entry(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Envoy, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("weir.toml");
        std::fs::write(&file, text).unwrap();
        let mut settings = weir_runtime::config::Settings::load(Some(&file)).unwrap();
        let envoy = settings.section("envoy");
        settings.finish().map(|()| envoy).map_err(|problems| problems.to_string())
    }

    fn places(text: &str) -> Vec<String> {
        read(text).unwrap().problems().into_iter().map(|problem| problem.place).collect()
    }

    #[test]
    fn settings_are_read_as_they_are_written() {
        let envoy = read(
            r#"
            [envoy]
            unmatched = "over_limit"
            [[envoy.rules]]
            domain = "llm"
            entries = { Phase = "request", "x.y" = "*" }
            service = { entry = "service" }
            pool = "chat"
            tokens_default = 500
            shadow = true
            [[envoy.rules]]
            domain = "llm"
            service = { entry = "service" }
            pool = { entry = "pool" }
            model = { entry = "model" }
            request = "id"
            charge = "report"
            "#,
        )
        .unwrap();
        assert_eq!((envoy.unmatched, envoy.problems()), (Unmatched::OverLimit, vec![]));
        let required: Vec<_> = envoy.rules[0].required().collect();
        assert_eq!(required, [("Phase", Some("request")), ("x.y", None), ("service", None)]);
        assert_eq!((envoy.rules[1].charge, envoy.rules[1].tokens_default), (Charge::Report, None));
    }

    #[test]
    fn every_problem_is_named_at_once_with_its_place() {
        let found = places(
            r#"
            [[envoy.rules]]
            domain = ""
            service = "No Name"
            pool = { entry = "" }
            model = "a b"
            request = ""
            tokens_default = 0
            charge = "report"
            shadow = true
            "#,
        );
        let expected = ["domain", "service", "pool.entry", "model", "request", "tokens_default", "shadow"];
        assert_eq!(found, expected.map(|key| format!("quota.envoy.rules[0].{key}")));
    }

    #[test]
    fn a_rule_that_is_never_reached_is_named() {
        let rules = |second: &str| {
            format!(
                r#"
                [[envoy.rules]]
                domain = "llm"
                service = {{ entry = "service" }}
                pool = "chat"
                [[envoy.rules]]
                domain = "llm"
                service = {{ entry = "service" }}
                pool = "chat"
                {second}
                "#
            )
        };
        let after = r#"entries = { phase = "report" }"#;
        assert_eq!(places(&rules(after)), ["quota.envoy.rules[1].entries"], "state the narrower one first");
        let elsewhere = rules("").replacen("llm", "other", 1);
        assert_eq!(places(&elsewhere), Vec::<String>::new());
    }

    #[test]
    fn a_part_that_is_neither_a_name_nor_an_entry_is_refused() {
        let rule = |pool: &str| format!("[[envoy.rules]]\ndomain = \"d\"\nservice = \"s\"\npool = {pool}\n");
        for wrong in ["3", "{ entri = \"pool\" }", "{ entry = \"pool\", or = \"chat\" }"] {
            let said = read(&rule(wrong)).unwrap_err();
            assert!(said.contains("a name, or { entry"), "{said}");
        }
    }
}
