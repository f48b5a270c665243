//! What is counted while a pool's desk is held: at most an atomic addition a decision.

use metrics::{Counter, Gauge, counter, gauge};
use weir_domain::bucket::UNITS_PER_TOKEN;
use weir_domain::desk::Desk;
use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::ledger::levels::Place;

use super::{DECISIONS, DEFICIT, HOLDS, LEVEL, SETTLES};

/// Counters of one outcome each, by outcome and limit: a handful, so looking through them is fastest.
type Outcomes = Vec<((&'static str, &'static str), Counter)>;

/// Decisions and levels of one pool.
pub(crate) struct Decisions {
    pool: String,
    /// By place.
    of_services: Vec<Outcomes>,
    of_nobody: Outcomes,
    charged: Counter,
    repeated: Counter,
    level: Gauge,
    deficit: Gauge,
    holds: Gauge,
}

impl Decisions {
    pub(crate) fn new(pool: &PoolId) -> Self {
        let pool = pool.to_string();
        let settles = |outcome: &'static str| counter!(SETTLES, "pool" => pool.clone(), "outcome" => outcome);
        Self {
            of_services: Vec::new(),
            of_nobody: Vec::new(),
            charged: settles("charged"),
            repeated: settles("repeated"),
            level: gauge!(LEVEL, "pool" => pool.clone()),
            deficit: gauge!(DEFICIT, "pool" => pool.clone()),
            holds: gauge!(HOLDS, "pool" => pool.clone()),
            pool,
        }
    }

    /// A reservation passed; in shadow mode only, if a limit is named.
    pub(crate) fn admitted(&mut self, account: Option<(Place, &ServiceId)>, limit: Option<&'static str>) {
        match limit {
            None => self.count(account, ("admitted", "")),
            Some(limit) => self.count(account, ("shadowed", limit)),
        }
    }

    /// A reservation was refused, or a slice that a node asked for.
    pub(crate) fn refused(&mut self, account: Option<(Place, &ServiceId)>, limit: &'static str) {
        self.count(account, ("refused", limit));
    }

    /// A settle was charged now, or had been before.
    pub(crate) fn settled(&self, charged: bool) {
        if charged { &self.charged } else { &self.repeated }.increment(1);
    }

    /// Shows levels and holds as they are.
    #[expect(clippy::cast_precision_loss, reason = "a gauge of tokens needs no more than 53 bits")]
    pub(crate) fn show(&self, desk: &Desk) {
        let levels = desk.ledger().levels();
        self.level.set(levels.pool().units().div_euclid(UNITS_PER_TOKEN) as f64);
        self.deficit.set(levels.deficit().available().get() as f64);
        self.holds.set(desk.holds() as f64);
    }

    /// The service is named only if it has an account, so that names stay bounded.
    fn count(&mut self, account: Option<(Place, &ServiceId)>, outcome: (&'static str, &'static str)) {
        let (outcomes, service) = match account {
            Some((place, service)) => (self.of(place), Some(service)),
            None => (&mut self.of_nobody, None),
        };
        if let Some((_, counter)) = outcomes.iter().find(|(known, _)| *known == outcome) {
            counter.increment(1);
            return;
        }
        let name = service.map(ToString::to_string).unwrap_or_default();
        let (what, limit) = outcome;
        let counter = counter!(
            DECISIONS, "pool" => self.pool.clone(), "service" => name, "outcome" => what, "limit" => limit
        );
        counter.increment(1);
        match account {
            Some((place, _)) => self.of(place).push((outcome, counter)),
            None => self.of_nobody.push((outcome, counter)),
        }
    }

    fn of(&mut self, place: Place) -> &mut Outcomes {
        if self.of_services.len() <= place.index() {
            self.of_services.resize_with(place.index() + 1, Vec::new);
        }
        &mut self.of_services[place.index()]
    }
}
