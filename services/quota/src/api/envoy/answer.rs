//! What a filter is told: a status for each descriptor, and what the caller is to read, in the words that Weir's gateway has
//! for it.

use weir_domain::amount::TokensPerMinute;
use weir_domain::desk::Standing;
use weir_domain::ledger::Refusal;
use weir_proto::codec::duration_to_wire;
use weir_proto::envoy::service::ratelimit::v3::RateLimitResponse;
use weir_proto::envoy::service::ratelimit::v3::rate_limit_response::rate_limit::Unit;
use weir_proto::envoy::service::ratelimit::v3::rate_limit_response::{Code, DescriptorStatus, RateLimit};

use super::caller;
use super::settings::Unmatched;

/// What is said to a descriptor.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// It fits no rule.
    Unmatched(Unmatched),
    /// It was decided.
    Decided(Decided),
}

/// What was decided on a descriptor.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    /// `service/pool`.
    pub(super) name: String,
    pub(super) said: Result<(), Refusal>,
    /// Where the service stands after it; none if it has no allocation.
    pub(super) standing: Option<Standing>,
    /// Whether it passes whatever was said.
    pub(super) shadow: bool,
}

impl Verdict {
    /// Whether the request may pass for all that this descriptor says.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Unmatched(Unmatched::Unknown) => Code::Unknown,
            Self::Unmatched(Unmatched::OverLimit) => Code::OverLimit,
            Self::Decided(decided) if decided.refusal().is_some() => Code::OverLimit,
            Self::Unmatched(Unmatched::Ok) | Self::Decided(_) => Code::Ok,
        }
    }

    /// What became of it, for metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match (self, self.code()) {
            (Self::Decided(Decided { said: Err(_), shadow: true, .. }), _) => "shadowed",
            (_, Code::Ok) => "ok",
            (_, Code::OverLimit) => "over_limit",
            (_, Code::Unknown) => "unknown",
        }
    }

    fn status(&self) -> DescriptorStatus {
        let code = self.code().into();
        let Self::Decided(decided) = self else { return DescriptorStatus { code, ..Default::default() } };
        let Some(standing) = decided.rated() else { return DescriptorStatus { code, ..Default::default() } };
        let reset = match decided.refusal() {
            Some(refusal) => refusal.retry().after(),
            None => standing.full_after,
        };
        DescriptorStatus {
            code,
            current_limit: Some(RateLimit {
                name: decided.name.clone(),
                requests_per_unit: narrow(standing.rate.get()),
                unit: Unit::Minute.into(),
            }),
            limit_remaining: narrow(remaining(standing)),
            // A filter drops what is less than a second.
            duration_until_reset: reset.map(|span| duration_to_wire(caller::whole_seconds(span))),
        }
    }
}

impl Decided {
    /// Why the request may not pass.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        self.said.as_ref().err().filter(|_| !self.shadow)
    }

    /// Where the service stands, if it has a rate to name.
    pub(super) fn rated(&self) -> Option<&Standing> {
        self.standing.as_ref().filter(|standing| standing.rate > TokensPerMinute::ZERO)
    }
}

/// What one request could take at once, borrowed tokens included; not more than the limit, which readers take for wrong.
pub(super) fn remaining(standing: &Standing) -> u64 {
    standing.available.get().min(standing.rate.get())
}

/// The answer to all descriptors.
pub(super) fn answer(verdicts: &[Verdict]) -> RateLimitResponse {
    let said = |code| verdicts.iter().any(|verdict| verdict.code() == code);
    let overall = [Code::OverLimit, Code::Unknown].into_iter().find(|code| said(*code)).unwrap_or(Code::Ok);
    let decided: Vec<_> = verdicts.iter().filter_map(decided).collect();
    let mut headers = caller::rate_limits(&decided);
    let mut body = Vec::new();
    if overall == Code::OverLimit {
        let misfits = |verdict: &Verdict| matches!(verdict, Verdict::Unmatched(Unmatched::OverLimit));
        let misfit = verdicts.iter().any(misfits);
        let (more, text) = if misfit { caller::misfit() } else { caller::refusal(&decided) };
        headers.extend(more);
        body = text.into_bytes();
    }
    RateLimitResponse {
        overall_code: overall.into(),
        statuses: verdicts.iter().map(Verdict::status).collect(),
        response_headers_to_add: headers,
        request_headers_to_add: Vec::new(),
        raw_body: body,
    }
}

fn decided(verdict: &Verdict) -> Option<&Decided> {
    match verdict {
        Verdict::Decided(decided) => Some(decided),
        Verdict::Unmatched(_) => None,
    }
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
