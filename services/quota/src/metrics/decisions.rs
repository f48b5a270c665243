//! What is counted while a pool's desk is held: an addition a decision. Counters are told at every tick.

use metrics::{Counter, Gauge, counter, gauge};
use weir_domain::bucket::UNITS_PER_TOKEN;
use weir_domain::desk::Desk;
use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::ledger::Limit;
use weir_domain::ledger::levels::Place;

use super::{DECISIONS, DEFICIT, HOLDS, LEVEL, SETTLES};

/// A counter, and what it was not told yet.
struct Counted {
    counter: Counter,
    untold: u64,
}

impl Counted {
    const fn new(counter: Counter) -> Self {
        Self { counter, untold: 0 }
    }

    fn tell(&mut self) {
        if self.untold > 0 {
            self.counter.increment(std::mem::take(&mut self.untold));
        }
    }
}

/// Counters of one outcome each: the usual one at hand, and of the others a handful, by outcome and limit.
#[derive(Default)]
struct Outcomes {
    admitted: Option<Counted>,
    others: Vec<(Outcome, Counter)>,
}

/// How a decision came out, in the words of its counter.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Outcome {
    name: &'static str,
    /// The limit that was the reason; empty if none was.
    limit: &'static str,
}

/// Whom a decision is about: none without an account, so that names stay bounded.
type Whom<'a> = Option<(Place, &'a ServiceId)>;

/// Decisions and levels of one pool.
pub(crate) struct Decisions {
    pool: String,
    /// By place.
    of_services: Vec<Outcomes>,
    of_nobody: Outcomes,
    charged: Counted,
    repeated: Counted,
    level: Gauge,
    deficit: Gauge,
    holds: Gauge,
}

impl Decisions {
    pub(crate) fn new(pool: &PoolId) -> Self {
        let pool = pool.to_string();
        let settles = |outcome: &'static str| {
            Counted::new(counter!(SETTLES, "pool" => pool.clone(), "outcome" => outcome))
        };
        Self {
            of_services: Vec::new(),
            of_nobody: Outcomes::default(),
            charged: settles("charged"),
            repeated: settles("repeated"),
            level: gauge!(LEVEL, "pool" => pool.clone()),
            deficit: gauge!(DEFICIT, "pool" => pool.clone()),
            holds: gauge!(HOLDS, "pool" => pool.clone()),
            pool,
        }
    }

    /// A reservation passed; in shadow mode only, if a limit is named.
    pub(crate) fn admitted(&mut self, whom: Whom<'_>, limit: Option<Limit>) {
        if let Some(limit) = limit {
            return self.count(whom, Outcome { name: "shadowed", limit: limit.as_str() });
        }
        if self.of(whom).admitted.is_none() {
            let counter = self.counter(whom, Outcome { name: "admitted", limit: "" });
            self.of(whom).admitted = Some(Counted::new(counter));
        }
        self.of(whom).admitted.as_mut().expect("it is there from now on").untold += 1;
    }

    /// A reservation was refused, or a slice that a node asked for.
    pub(crate) fn refused(&mut self, whom: Whom<'_>, limit: Limit) {
        self.count(whom, Outcome { name: "refused", limit: limit.as_str() });
    }

    /// A settle was charged now, or had been before.
    pub(crate) fn settled(&mut self, charged: bool) {
        if charged { &mut self.charged } else { &mut self.repeated }.untold += 1;
    }

    /// Shows what was counted, and levels and holds as they are.
    #[expect(clippy::cast_precision_loss, reason = "a gauge of tokens needs no more than 53 bits")]
    pub(crate) fn show(&mut self, desk: &Desk) {
        let outcomes = self.of_services.iter_mut().chain([&mut self.of_nobody]);
        let admitted = outcomes.filter_map(|outcomes| outcomes.admitted.as_mut());
        admitted.chain([&mut self.charged, &mut self.repeated]).for_each(Counted::tell);
        let levels = desk.ledger().levels();
        self.level.set(levels.pool().units().div_euclid(UNITS_PER_TOKEN) as f64);
        self.deficit.set(levels.deficit().available().get() as f64);
        self.holds.set(desk.holds() as f64);
    }

    fn count(&mut self, whom: Whom<'_>, outcome: Outcome) {
        if let Some((_, counter)) = self.of(whom).others.iter().find(|(known, _)| *known == outcome) {
            return counter.increment(1);
        }
        let counter = self.counter(whom, outcome);
        counter.increment(1);
        self.of(whom).others.push((outcome, counter));
    }

    fn counter(&self, whom: Whom<'_>, outcome: Outcome) -> Counter {
        let Outcome { name, limit } = outcome;
        let (pool, service) = (self.pool.clone(), whom.map(|(_, service)| service.to_string()));
        counter!(
            DECISIONS,
            "pool" => pool, "service" => service.unwrap_or_default(), "outcome" => name, "limit" => limit
        )
    }

    fn of(&mut self, whom: Whom<'_>) -> &mut Outcomes {
        let Some((place, _)) = whom else { return &mut self.of_nobody };
        if self.of_services.len() <= place.index() {
            self.of_services.resize_with(place.index() + 1, Outcomes::default);
        }
        &mut self.of_services[place.index()]
    }
}
