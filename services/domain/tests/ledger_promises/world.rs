//! A ledger under a random run, with the witnesses that watch it.

use std::time::Duration;

use weir_domain::amount::{Tokens, TokensPerMinute};
use weir_domain::authorship::Authorship;
use weir_domain::bucket::Level;
use weir_domain::ids::{BurstId, HoldId, PoolId, ServiceId};
use weir_domain::ledger::invariants::{self, GuaranteeWitness, PhysicalWitness, Violation};
use weir_domain::ledger::{Change, Command, Event, Ledger, Refusal, Release, Reserve, Settle, Terms, decide};
use weir_domain::policy::{Burst, Pool};
use weir_domain::time::{Timestamp, Window};

use crate::steps::Step;

/// How often a run reached what is worth checking.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) admitted: usize,
    pub(crate) retries_told: usize,
    pub(crate) never_told: usize,
    pub(crate) did_not_fit: usize,
    pub(crate) deficits: usize,
    pub(crate) governed: usize,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.admitted += other.admitted;
        self.retries_told += other.retries_told;
        self.never_told += other.never_told;
        self.did_not_fit += other.did_not_fit;
        self.deficits += other.deficits;
        self.governed += other.governed;
    }
}

pub(crate) struct World {
    ledger: Ledger,
    now: Timestamp,
    events: Vec<Event>,
    answered: Vec<Command>,
    minted: Vec<(HoldId, ServiceId)>,
    physical: PhysicalWitness,
    guarantee: GuaranteeWitness,
    seen: Seen,
}

/// An id minted at an instant. Numbers beyond any of a run's own are for questions that are only tried.
fn mint(at: Timestamp, number: u128) -> HoldId {
    let ms = u128::try_from(at.as_millis()).unwrap();
    HoldId::new((ms << 80) | (7 << 76) | number)
}

fn service(number: usize) -> ServiceId {
    ServiceId::try_new(&format!("service-{number}")).unwrap()
}

fn burst_id(number: usize) -> BurstId {
    BurstId::try_new(&format!("burst-{number}")).unwrap()
}

fn pool_id() -> PoolId {
    PoolId::try_new("gpt").unwrap()
}

impl World {
    /// A pool of 6,000 a minute, half of it allocated.
    pub(crate) fn begin() -> Self {
        let mut world = Self {
            ledger: Ledger::default(),
            now: Timestamp::from_secs(1_750_000_000),
            events: vec![],
            answered: vec![],
            minted: vec![],
            physical: PhysicalWitness::default(),
            guarantee: GuaranteeWitness::default(),
            seen: Seen::default(),
        };
        world.take(&Step::Pool { capacity: 6_000 }).unwrap();
        world.take(&Step::Allocations { list: vec![(0, 2_000, 500), (1, 1_000, 1_000)] }).unwrap();
        world
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen
    }

    /// Lets a step happen and checks every promise after it.
    pub(crate) fn take(&mut self, step: &Step) -> Result<(), Violation> {
        match step {
            Step::Wait { ns } => {
                self.now = Timestamp::from_nanos(self.now.as_nanos() + ns);
                self.check_now()
            }
            Step::Echo { which } => self.echo(*which),
            _ => {
                let command = self.command(step);
                self.ask(&command)
            }
        }
    }

    fn command(&mut self, step: &Step) -> Command {
        match *step {
            Step::ReserveFresh { service: number, tokens, minted_off_s } => {
                let at = Timestamp::from_secs(self.now.as_secs() + minted_off_s);
                let hold = mint(at, self.minted.len() as u128);
                self.minted.push((hold, service(number)));
                Command::Reserve(Reserve { hold, service: service(number), tokens: Tokens::new(tokens) })
            }
            Step::ReserveAgain { hold, service: number, tokens } => {
                let (hold, _) = self.used_before(hold, number);
                Command::Reserve(Reserve { hold, service: service(number), tokens: Tokens::new(tokens) })
            }
            Step::Settle { hold, service: number, used } => {
                let (hold, service) = self.used_before(hold, number);
                Command::Settle(Settle { hold, service, used: Tokens::new(used) })
            }
            Step::SettleUnseen { service: number, used } => {
                let hold = mint(self.now, self.minted.len() as u128);
                self.minted.push((hold, service(number)));
                Command::Settle(Settle { hold, service: service(number), used: Tokens::new(used) })
            }
            Step::Release { hold } => {
                let (hold, service) = self.used_before(hold, 0);
                Command::Release(Release { hold, service })
            }
            _ => self.change(step),
        }
    }

    fn used_before(&mut self, which: usize, otherwise: usize) -> (HoldId, ServiceId) {
        if self.minted.is_empty() {
            self.minted.push((mint(self.now, 0), service(otherwise)));
        }
        self.minted[which % self.minted.len()].clone()
    }

    fn change(&self, step: &Step) -> Command {
        let changes = match step {
            Step::Pool { capacity } => vec![Change::DefinePool(Pool {
                id: pool_id(),
                capacity: TokensPerMinute::new(*capacity),
                models: vec![],
                deployments: vec![],
            })],
            Step::RemovePool => vec![Change::RemovePool],
            Step::Allocations { list } => list.iter().copied().map(set_allocation).collect(),
            Step::RemoveAllocation { service: number } => {
                vec![Change::RemoveAllocation { service: service(*number) }]
            }
            Step::Burst { name, service: number, extra, after_s, lasts_s } => {
                let start = Timestamp::from_secs(self.now.as_secs() + after_s);
                vec![Change::GrantBurst(Burst {
                    id: burst_id(*name),
                    service: service(*number),
                    pool: pool_id(),
                    extra: TokensPerMinute::new(*extra),
                    window: Window::try_new(start, start.plus(secs(*lasts_s))).unwrap(),
                    reason: String::new(),
                    approved_by: String::new(),
                })]
            }
            Step::Revoke { name } => vec![Change::RevokeBurst { burst: burst_id(*name) }],
            other => unreachable!("{other:?} is no change"),
        };
        Command::Change {
            by: Authorship { author: "run".into(), reason: "random".into(), at: self.now },
            changes,
        }
    }

    fn ask(&mut self, command: &Command) -> Result<(), Violation> {
        let answer = decide(&self.ledger, command, self.now);
        invariants::invariant_settle_never_refused(command, &answer)?;
        match answer {
            Ok(events) => {
                self.happen(events);
                self.answered.push(command.clone());
                invariants::invariant_idempotence(&self.ledger, command, self.now)?;
            }
            Err(refusal) => self.refused(command, &refusal)?,
        }
        self.check_now()
    }

    fn happen(&mut self, events: Vec<Event>) {
        for event in events {
            self.seen.admitted += 1;
            self.seen.governed += usize::from(matches!(event, Event::Governed(_)));
            self.physical.see(&self.ledger, &event);
            self.guarantee.see(&self.ledger, &event);
            self.ledger.evolve(&event);
            self.events.push(event);
        }
    }

    fn refused(&mut self, command: &Command, refusal: &Refusal) -> Result<(), Violation> {
        let Command::Reserve(asked) = command else {
            self.seen.did_not_fit += usize::from(matches!(refusal, Refusal::DoesNotFit(_)));
            return Ok(());
        };
        self.seen.retries_told += usize::from(refusal.retry().is_some());
        self.seen.never_told += usize::from(refusal.retry().is_none());
        let now = self.ledger.time(self.now);
        if matches!(refusal, Refusal::BaselineUsed { .. } | Refusal::RequestTooLarge { .. }) {
            self.guarantee.invariant_guarantee(&asked.service, asked.tokens, now)?;
        }
        let fresh = |at| mint(at, u128::from(u64::MAX));
        invariants::invariant_truthful_retry(&self.ledger, asked, refusal, self.now, fresh)
    }

    /// A command of long ago comes again: it changes nothing, whatever happened in between.
    fn echo(&mut self, which: usize) -> Result<(), Violation> {
        let moves: Vec<_> =
            self.answered.iter().filter(|command| !matches!(command, Command::Change { .. })).collect();
        let Some(echoed) = moves.get(which % moves.len().max(1)) else { return Ok(()) };
        match decide(&self.ledger, echoed, self.now) {
            Err(Refusal::HoldIdStale { .. }) => Ok(()),
            _ => invariants::invariant_idempotence(&self.ledger, echoed, self.now),
        }
    }

    fn check_now(&mut self) -> Result<(), Violation> {
        self.physical.invariant_physical(&self.ledger)?;
        self.seen.deficits += usize::from(self.ledger.deficit_at(self.now) > Level::ZERO);
        invariants::invariant_fit(&self.ledger, self.now)?;
        invariants::invariant_held(&self.ledger)?;
        for number in 0..crate::steps::SERVICES {
            let service = service(number);
            invariants::invariant_levels(&self.ledger, &service, self.now)?;
            for at in self.instants_worth_a_look() {
                invariants::invariant_time_box(&self.ledger, &service, at)?;
            }
            if let Some(account) = self.ledger.account(&service) {
                invariants::invariant_conservation(&service, account)?;
            }
        }
        Ok(())
    }

    fn instants_worth_a_look(&self) -> Vec<Timestamp> {
        let nano = Duration::from_nanos(1);
        let windows = self.ledger.terms().bursts().values().map(|burst| burst.window);
        let edges = windows.flat_map(|window| [window.start(), window.end()]);
        edges.flat_map(|edge| [edge.minus(nano), edge]).chain([self.now]).collect()
    }

    /// The events alone bring the ledger back.
    pub(crate) fn replay(&self) -> Result<(), Violation> {
        invariants::invariant_replay(&self.ledger, &self.events)
    }

    /// And so they do if a journal holds each of them twice.
    pub(crate) fn replay_doubled(&self) -> Result<(), Violation> {
        invariants::invariant_replay(&self.ledger, self.events.iter().flat_map(|event| [event, event]))
    }
}

fn set_allocation((number, baseline, request_max): (usize, u64, u64)) -> Change {
    let terms = Terms { baseline: TokensPerMinute::new(baseline), request_max: Tokens::new(request_max) };
    Change::SetAllocation { service: service(number), terms }
}

fn secs(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap())
}
