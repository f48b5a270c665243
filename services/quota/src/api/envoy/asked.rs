//! What a descriptor asks, by the first rule that it fits.

use tonic::Status;
use weir_domain::amount::Tokens;
use weir_proto::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use weir_proto::envoy::service::ratelimit::v3::RateLimitRequest;

use super::settings::{Charge, Envoy, Part, Rule};
use crate::api::input::{self, invalid};

/// How many descriptors a request may have: a filter has one for each of its limits, and each costs a decision.
const DESCRIPTORS_MAX: usize = 32;
/// How many entries a descriptor may have: a filter has one for each of its actions.
const ENTRIES_MAX: usize = 64;
/// What a request takes that does not say so, and whose rule does not either: as the protocol has it.
const HITS_DEFAULT: u64 = 1;

/// What a descriptor asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) service: &'a str,
    pub(super) pool: &'a str,
    /// Empty: not known.
    pub(super) model: &'a str,
    pub(super) tokens: Tokens,
    /// Whether the tokens are what the request says, not what is usual.
    pub(super) stated: bool,
    /// What tells the request from others, if anything does.
    pub(super) request: Option<&'a str>,
    pub(super) what: What,
    /// Whether it passes whatever is said.
    pub(super) shadow: bool,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Charge it or refuse it.
    Admit,
    /// Say whether it would pass.
    Check,
    /// Charge it.
    Report,
}

impl What {
    /// Its name in metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Check => "check",
            Self::Report => "report",
        }
    }
}

/// What each descriptor of a request asks; none where it fits no rule.
pub(super) fn read<'a>(
    envoy: &'a Envoy,
    request: &'a RateLimitRequest,
) -> Result<Vec<Option<Ask<'a>>>, Status> {
    if request.domain.is_empty() {
        return Err(invalid("domain", "is missing; state the domain of the filter"));
    }
    let count = request.descriptors.len();
    if !(1..=DESCRIPTORS_MAX).contains(&count) {
        return Err(invalid("descriptors", format!("are {count}; state from 1 to {DESCRIPTORS_MAX}")));
    }
    let descriptors = request.descriptors.iter().enumerate();
    descriptors.map(|(index, descriptor)| ask(envoy, request, index, descriptor)).collect()
}

fn ask<'a>(
    envoy: &'a Envoy,
    request: &'a RateLimitRequest,
    index: usize,
    descriptor: &'a RateLimitDescriptor,
) -> Result<Option<Ask<'a>>, Status> {
    let count = descriptor.entries.len();
    if count > ENTRIES_MAX {
        let problem = format!("are {count}; {ENTRIES_MAX} are the most there may be");
        return Err(invalid(&format!("descriptors[{index}].entries"), problem));
    }
    let mut rules = envoy.rules.iter().filter(|rule| rule.domain == request.domain);
    let Some(rule) = rules.find(|rule| fits(rule, descriptor)) else { return Ok(None) };
    let stated = descriptor.hits_addend.or((request.hits_addend > 0).then_some(request.hits_addend.into()));
    let otherwise = rule.tokens_default.unwrap_or(HITS_DEFAULT);
    let (what, tokens) = match (rule.charge, stated) {
        (Charge::Report, hits) => (What::Report, hits.unwrap_or(otherwise)),
        (Charge::OnRequest, Some(0)) => (What::Check, otherwise),
        (Charge::OnRequest, hits) => (What::Admit, hits.unwrap_or(otherwise)),
    };
    let part = |part: &'a Part| match part {
        Part::Fixed(name) => name.as_str(),
        Part::Entry(key) => value(descriptor, &key.entry).unwrap_or_default(),
    };
    Ok(Some(Ask {
        service: part(&rule.service),
        pool: part(&rule.pool),
        model: rule.model.as_ref().map(part).unwrap_or_default(),
        stated: stated.is_some(),
        request: rule.request.as_deref().and_then(|key| value(descriptor, key)),
        tokens: input::tokens(tokens, &format!("descriptors[{index}].hits_addend"))?,
        what,
        shadow: rule.shadow,
    }))
}

fn fits(rule: &Rule, descriptor: &RateLimitDescriptor) -> bool {
    rule.required().all(|(key, wanted)| {
        value(descriptor, key).is_some_and(|value| wanted.is_none_or(|wanted| wanted == value))
    })
}

/// The value of an entry; of several with a key, of the first.
fn value<'a>(descriptor: &'a RateLimitDescriptor, key: &str) -> Option<&'a str> {
    let entry = descriptor.entries.iter().find(|entry| entry.key == key)?;
    Some(&entry.value)
}
