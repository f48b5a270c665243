//! The sandbox: all that a service may have for which nobody answers, unless an exception says otherwise until it ends.

use std::collections::BTreeMap;

use crate::ids::ServiceId;
use crate::policy::{Exception, Lapse, Rules, Service, Terms, Waiver};
use crate::time::Timestamp;

impl Terms {
    /// What is left of it at an instant: at most what its lapse leaves, if that has come.
    #[must_use]
    pub fn standing_at(&self, now: Timestamp) -> Self {
        let Some(lapse) = self.lapse.filter(|lapse| lapse.at <= now) else { return self.clone() };
        let baseline = self.baseline.min(lapse.to);
        Self {
            baseline,
            ceiling: self.ceiling.min(lapse.to),
            lending: self.lending.map(|lending| lending.min(baseline)),
            lapse: None,
            ..self.clone()
        }
    }

    /// Whether it is more than the sandbox.
    pub fn exceeds_sandbox(&self, rules: &Rules) -> bool {
        self.baseline.max(self.ceiling) > rules.sandbox
    }

    /// As it goes to the ledger: with a lapse, where it stands by an exception only. None if it may not stand at all.
    pub(crate) fn entitled(&self, service: &Service, rules: Rules, waivers: &Waivers) -> Option<Self> {
        if service.is_accountable() || !self.exceeds_sandbox(&rules) {
            return Some(Self { lapse: None, ..self.clone() });
        }
        let at = waivers.until(&service.id)?;
        Some(Self { lapse: Some(Lapse { at, to: rules.sandbox }), ..self.clone() })
    }
}

/// Until when the sandbox limit is waived, for each service that has such an exception.
#[derive(Debug, Default)]
pub(crate) struct Waivers(BTreeMap<ServiceId, Timestamp>);

impl Waivers {
    /// Of several exceptions of a service, the last one to end counts; those that have ended do not.
    pub(crate) fn new<'a>(exceptions: impl IntoIterator<Item = &'a Exception>, now: Timestamp) -> Self {
        let mut until: BTreeMap<ServiceId, Timestamp> = BTreeMap::new();
        for exception in exceptions {
            if exception.waives == Waiver::SandboxLimit && exception.end > now {
                let end = until.entry(exception.service.clone()).or_insert(exception.end);
                *end = exception.end.max(*end);
            }
        }
        Self(until)
    }

    pub(crate) fn until(&self, service: &ServiceId) -> Option<Timestamp> {
        self.0.get(service).copied()
    }

    /// Whether a service may have more than the sandbox until an instant.
    pub(crate) fn cover(&self, service: &Service, until: Timestamp) -> bool {
        service.is_accountable() || self.until(&service.id).is_some_and(|end| end >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::{Tokens, TokensPerMinute};

    #[test]
    fn what_stands_by_exception_is_capped_when_it_lapses_and_not_before() {
        let (rate, at) = (TokensPerMinute::new, Timestamp::from_secs(100));
        let terms = Terms {
            ceiling: rate(90),
            lending: Some(rate(50)),
            lapse: Some(Lapse { at, to: rate(10) }),
            ..Terms::guarantee(rate(60), Tokens::new(5))
        };
        assert_eq!(terms.standing_at(Timestamp::from_nanos(at.as_nanos() - 1)), terms);
        let left = terms.standing_at(at);
        assert_eq!((left.baseline, left.ceiling, left.lending), (rate(10), rate(10), Some(rate(10))));
        assert_eq!((left.request_max, left.lapse), (Tokens::new(5), None));
    }
}
