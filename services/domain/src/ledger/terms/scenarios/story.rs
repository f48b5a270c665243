//! The words that stories are told in. Instants are seconds of the story.

use crate::amount::{RequestsPerMinute, Tokens, TokensPerMinute};
use crate::authorship::Authorship;
use crate::bucket::Segment;
use crate::burst::{Approval, Burst, BurstRecord, Category, GrantedBurst};
use crate::ids::{BurstId, PoolId, ServiceId};
use crate::ledger::{Change, ChangeRefused, Governed, PoolTerms, Shortage, decide_change};
use crate::policy::{Lapse, Pool, Terms, Thresholds};
use crate::time::{Timestamp, Window};

/// What was decided about a pool, by whom next and when, and what was answered last.
pub(super) struct Story {
    pub(super) terms: PoolTerms,
    now: Timestamp,
    author: &'static str,
    expected: Option<u64>,
    last: Option<Result<Vec<Governed>, ChangeRefused>>,
}

/// Nothing decided yet, at second 0.
pub(super) fn given() -> Story {
    Story { terms: PoolTerms::default(), now: s(0), author: "ada", expected: None, last: None }
}

pub(super) fn s(second: i64) -> Timestamp {
    Timestamp::from_secs(second)
}

pub(super) fn day(number: i64) -> i64 {
    number * 86_400
}

pub(super) fn by(now: Timestamp) -> Authorship {
    Authorship { author: "ada".into(), reason: "because".into(), at: now, commit: None }
}

pub(super) fn tpm(rate: u64) -> TokensPerMinute {
    TokensPerMinute::new(rate)
}

pub(super) fn rpm(rate: u64) -> RequestsPerMinute {
    RequestsPerMinute::new(rate)
}

pub(super) fn service(name: &str) -> ServiceId {
    ServiceId::try_new(name).unwrap()
}

pub(super) fn named(burst: &str) -> BurstId {
    BurstId::try_new(burst).unwrap()
}

pub(super) fn pool_of(capacity: u64) -> Pool {
    Pool {
        id: PoolId::try_new("gpt").unwrap(),
        capacity: tpm(capacity),
        requests: None,
        thresholds: Thresholds::default(),
        models: vec![],
        deployments: vec![],
    }
}

pub(super) fn pool(capacity: u64) -> Change {
    Change::DefinePool(pool_of(capacity))
}

/// A guarantee and nothing else.
pub(super) fn guarantee(baseline: u64, request_max: u64) -> Terms {
    Terms::guarantee(tpm(baseline), Tokens::new(request_max))
}

pub(super) fn allocated(name: &str, terms: Terms) -> Change {
    Change::SetAllocation { service: service(name), terms }
}

/// A guarantee whose depth is that of its window.
pub(super) fn allocation(name: &str, baseline: u64) -> Change {
    allocated(name, guarantee(baseline, 1))
}

pub(super) fn no_allocation(name: &str) -> Change {
    Change::RemoveAllocation { service: service(name) }
}

pub(super) fn lapses(terms: Terms, second: i64, to: u64) -> Terms {
    Terms { lapse: Some(Lapse { at: s(second), to: tpm(to) }), ..terms }
}

pub(super) fn burst(id: &str, name: &str, extra: u64, (start, end): (i64, i64)) -> Burst {
    Burst {
        id: named(id),
        service: service(name),
        pool: PoolId::try_new("gpt").unwrap(),
        extra: tpm(extra),
        window: Window::try_new(s(start), s(end)).unwrap(),
        category: Category::Demo,
        reason: "launch".into(),
        requester: "linus".into(),
    }
}

pub(super) fn asked(burst: Burst) -> Change {
    Change::RequestBurst(burst)
}

pub(super) fn granted(burst: Burst, approval: Approval) -> Change {
    Change::GrantBurst(GrantedBurst { burst, approval, approver: "grace".into() })
}

pub(super) fn approved(burst: &str, approval: Approval) -> Change {
    Change::ApproveBurst { burst: named(burst), approval }
}

pub(super) fn denied(burst: &str) -> Change {
    Change::DenyBurst { burst: named(burst) }
}

pub(super) fn revoked(burst: &str) -> Change {
    Change::RevokeBurst { burst: named(burst) }
}

pub(super) fn extended(burst: &str, end: i64) -> Change {
    Change::ExtendBurst { burst: named(burst), end: s(end) }
}

/// Guarantees exceed the pool by so many tokens a minute, and by what that brings within the window at once.
pub(super) fn short_of(rate: u64, second: i64) -> ChangeRefused {
    ChangeRefused::DoesNotFit(Shortage { at: s(second), rate: tpm(rate), ..Shortage::default() })
}

impl Story {
    /// Something that was decided before.
    pub(super) fn and(self, what: Change) -> Self {
        self.when([what]).then_done()
    }

    /// Time passes up to a second of the story.
    pub(super) fn at(self, second: i64) -> Self {
        Self { now: s(second), ..self }
    }

    /// Somebody else decides from now on.
    pub(super) fn by(self, author: &'static str) -> Self {
        Self { author, ..self }
    }

    /// Who asks next has seen this version.
    pub(super) fn having_seen(self, version: u64) -> Self {
        Self { expected: Some(version), ..self }
    }

    #[expect(clippy::needless_pass_by_value, reason = "stories read better without borrows")]
    pub(super) fn when<const N: usize>(mut self, changes: [Change; N]) -> Self {
        let by =
            Authorship { author: self.author.into(), reason: "because".into(), at: self.now, commit: None };
        let answer = decide_change(&self.terms, &by, &changes, self.expected.take());
        for event in answer.iter().flatten() {
            self.terms.evolve(event);
        }
        self.last = Some(answer);
        self
    }

    /// It was decided so, and something changed.
    pub(super) fn then_done(self) -> Self {
        let last = self.last.as_ref().unwrap();
        assert!(matches!(last, Ok(events) if !events.is_empty()), "{last:?}");
        self
    }

    /// It was so already.
    pub(super) fn then_nothing_more(self) -> Self {
        assert_eq!(self.last, Some(Ok(vec![])));
        self
    }

    #[expect(clippy::needless_pass_by_value, reason = "stories read better without borrows")]
    pub(super) fn then_refused(self, refusal: ChangeRefused) -> Self {
        assert_eq!(self.last.as_ref().unwrap().as_ref().unwrap_err(), &refusal);
        self
    }

    /// It was refused in these words.
    pub(super) fn then_refused_because(self, words: &str) -> Self {
        assert_eq!(self.last.as_ref().unwrap().as_ref().unwrap_err().to_string(), words);
        self
    }

    pub(super) fn version(self, version: u64) -> Self {
        assert_eq!(self.terms.version(), version);
        self
    }

    pub(super) fn burst(&self, burst: &str) -> &BurstRecord {
        &self.terms.bursts()[&named(burst)]
    }

    /// What the service's guarantee refills with at a second.
    pub(super) fn guaranteed(self, name: &str, second: i64, rate: u64) -> Self {
        assert_eq!(self.terms.plan_of_guarantee(&service(name)).at(s(second)).rate, tpm(rate));
        self
    }

    /// What the service may borrow at most, at a second.
    pub(super) fn borrowable(self, name: &str, second: i64, rate: u64) -> Self {
        assert_eq!(self.terms.plan_of_borrowing(&service(name)).at(s(second)).rate, tpm(rate));
        self
    }

    /// How deep the service's guarantee is at a second, in tokens.
    pub(super) fn deep(self, name: &str, second: i64, tokens: u64) -> Self {
        let Segment { depth, .. } = self.terms.plan_of_guarantee(&service(name)).at(s(second));
        assert_eq!(depth.available(), Tokens::new(tokens));
        self
    }
}
