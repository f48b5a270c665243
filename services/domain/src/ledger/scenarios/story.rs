//! The words that stories are told in. Instants are seconds of the story; amounts are tokens.

use std::time::Duration;

use crate::amount::{Tokens, TokensPerMinute};
use crate::authorship::Authorship;
use crate::ids::{BurstId, HoldId, PoolId, ServiceId};
use crate::ledger::*;
use crate::policy::{Burst, Pool};
use crate::time::{Timestamp, Window};

/// A ledger, what happened in it, and what was answered last.
pub(super) struct Story {
    pub(super) ledger: Ledger,
    now: Timestamp,
    last: Option<Result<Vec<Event>, Refusal>>,
}

/// An empty ledger at the first second.
pub(super) fn given() -> Story {
    Story { ledger: Ledger::default(), now: s(0), last: None }
}

/// A second of the story. Stories begin in the year 2025, because a hold's id says when it was minted.
pub(super) fn s(second: i64) -> Timestamp {
    Timestamp::from_secs(1_750_000_000 + second)
}

pub(super) fn tpm(rate: u64) -> TokensPerMinute {
    TokensPerMinute::new(rate)
}

pub(super) fn tokens(count: u64) -> Tokens {
    Tokens::new(count)
}

pub(super) fn service(name: &str) -> ServiceId {
    ServiceId::try_new(name).unwrap()
}

/// The id of a hold that was minted at a second of the story.
pub(super) fn minted_at(second: i64, number: u128) -> HoldId {
    let ms = u128::try_from(s(second).as_millis()).unwrap();
    HoldId::new((ms << 80) | (7 << 76) | number)
}

/// The id of a hold that was minted when the story began.
pub(super) fn hold(number: u128) -> HoldId {
    minted_at(0, number)
}

pub(super) fn pool(capacity: u64) -> Change {
    let id = PoolId::try_new("gpt").unwrap();
    Change::DefinePool(Pool { id, capacity: tpm(capacity), models: vec![], deployments: vec![] })
}

pub(super) fn allocation(name: &str, baseline: u64, request_max: u64) -> Change {
    let terms = Terms { baseline: tpm(baseline), request_max: tokens(request_max) };
    Change::SetAllocation { service: service(name), terms }
}

pub(super) fn no_allocation(name: &str) -> Change {
    Change::RemoveAllocation { service: service(name) }
}

pub(super) fn burst(id: &str, name: &str, extra: u64, (start, end): (i64, i64)) -> Change {
    Change::GrantBurst(Burst {
        id: BurstId::try_new(id).unwrap(),
        service: service(name),
        pool: PoolId::try_new("gpt").unwrap(),
        extra: tpm(extra),
        window: Window::try_new(s(start), s(end)).unwrap(),
        reason: String::new(),
        approved_by: String::new(),
    })
}

pub(super) fn reserve(hold: HoldId, name: &str, count: u64) -> Command {
    Command::Reserve(Reserve { hold, service: service(name), tokens: tokens(count) })
}

pub(super) fn settle(hold: HoldId, name: &str, used: u64) -> Command {
    Command::Settle(Settle { hold, service: service(name), used: tokens(used) })
}

pub(super) fn release(hold: HoldId, name: &str) -> Command {
    Command::Release(Release { hold, service: service(name) })
}

pub(super) fn change(changes: impl IntoIterator<Item = Change>) -> Command {
    let by = Authorship { author: "ada".into(), reason: "test".into(), at: Timestamp::EPOCH };
    Command::Change { by, changes: changes.into_iter().collect() }
}

impl Story {
    /// Something that was decided before.
    pub(super) fn and(self, what: Change) -> Self {
        self.when(change([what])).then_done()
    }

    /// Something that was asked before, and granted.
    pub(super) fn after(self, command: Command) -> Self {
        self.when(command).then_done()
    }

    /// Time passes up to a second of the story, or goes back.
    pub(super) fn at(mut self, second: i64) -> Self {
        self.now = s(second);
        self
    }

    #[expect(clippy::needless_pass_by_value, reason = "stories read better without borrows")]
    pub(super) fn when(mut self, command: Command) -> Self {
        let answer = decide(&self.ledger, &command, self.now);
        for event in answer.iter().flatten() {
            self.ledger.evolve(event);
        }
        self.last = Some(answer);
        self
    }

    /// It was granted, and something changed.
    pub(super) fn then_done(self) -> Self {
        let last = self.last.as_ref().unwrap();
        assert!(matches!(last, Ok(events) if !events.is_empty()), "{last:?}");
        self
    }

    /// It was granted, and was so already.
    pub(super) fn then_nothing_more(self) -> Self {
        assert_eq!(self.last, Some(Ok(vec![])));
        self
    }

    pub(super) fn then_refused(self, refusal: &Refusal) -> Self {
        assert_eq!(self.last.as_ref().unwrap().as_ref().unwrap_err(), refusal);
        self
    }

    /// It was refused until this second of the story; none if for ever.
    pub(super) fn then_refused_until(self, second: Option<i64>) -> Self {
        let refusal = self.last.as_ref().unwrap().as_ref().unwrap_err();
        assert_eq!(refusal.retry().map(|retry| retry.at), second.map(s), "{refusal}");
        self
    }

    /// It was refused for this many milliseconds.
    pub(super) fn then_refused_for_ms(self, ms: u64) -> Self {
        let refusal = self.last.as_ref().unwrap().as_ref().unwrap_err();
        assert_eq!(refusal.retry().map(|retry| retry.after), Some(Duration::from_millis(ms)), "{refusal}");
        self
    }

    /// The service could take this many now.
    pub(super) fn available(self, name: &str, count: u64) -> Self {
        let standing = self.ledger.standing(&service(name), self.now).unwrap();
        assert_eq!(standing.available, tokens(count));
        self
    }

    pub(super) fn debt(self, name: &str, count: u64) -> Self {
        let level = self.ledger.account(&service(name)).unwrap().level_at(self.now);
        assert_eq!(level.debt(), tokens(count));
        self
    }

    pub(super) fn pool_holds(self, count: u64) -> Self {
        assert_eq!(self.ledger.pool_level_at(self.now).available(), tokens(count));
        self
    }

    pub(super) fn full_after(self, name: &str, span: Option<Duration>) -> Self {
        assert_eq!(self.ledger.standing(&service(name), self.now).unwrap().full_after, span);
        self
    }

    pub(super) fn totals(&self, name: &str) -> Totals {
        self.ledger.account(&service(name)).unwrap().totals()
    }
}
