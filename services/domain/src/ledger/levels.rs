//! All levels of a pool at one instant: its own, those of its guarantees, and their sum.
//!
//! Every level is linear in time between two breakpoints: a guarantee comes out of debt or gets full, a burst begins or
//! ends. What all guarantees hold is kept as a sum that passes from breakpoint to breakpoint, so that what is spare is
//! known at once, however many accounts there are; a movement costs at most the logarithm of their number, and
//! allocates nothing. All is exact, in nanoseconds and [`Level`] units, and the way to an instant does not matter.
//!
//! Refill that overflows a full guarantee is spare, up to the account's lending limit as a rate; what is beyond the
//! limit the pool does not get. What a guarantee loses when its plan gets less deep becomes spare.
//!
//! Says what is there; who may take it is decided elsewhere. That guarantees fit the pool at every instant is the
//! business of [`shortage`](crate::ledger::shortage), and is relied on here.

mod breakpoints;
mod forecast;
mod image;
#[cfg(test)]
pub(super) mod model;
mod stretch;
mod sums;
#[cfg(test)]
mod tests;

pub(super) use forecast::Forecast;
pub use image::{GuaranteeImage, LevelsImage};
pub(super) use stretch::{NEVER, Phase, Stretch, quotient_up};

use crate::amount::TokensPerMinute;
use crate::bucket::{Bucket, Level, Plan};
use crate::time::Timestamp;
use breakpoints::Breakpoints;
use sums::{Guarantee, Sums};

/// The last instant there is; what would happen later happens never.
const LAST: Timestamp = Timestamp::from_nanos(i64::MAX - 1);

/// An account's place among the levels of its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(u32);

impl Place {
    /// The place of that number; the first is zero.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Its number, as a list counts.
    pub fn index(self) -> usize {
        usize::try_from(self.0).expect("no machine that this is built for has fewer than 32 bits")
    }
}

/// The levels of a pool and its guarantees. Begins with no pool and no account at 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    sums: Sums,
    guarantees: Vec<Guarantee>,
    refills: Vec<Refill>,
    breakpoints: Breakpoints,
    /// Those of them at which a plan changes.
    edges: Breakpoints,
}

/// What people decided about an account, as far as levels depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refill {
    plan: Plan,
    lending: Option<TokensPerMinute>,
}

impl Levels {
    /// The instant at which the levels are so.
    pub fn at(&self) -> Timestamp {
        self.sums.at
    }

    /// Time passes, up to an instant. Into the past it does not.
    pub fn advance(&mut self, now: Timestamp) {
        let now = now.min(LAST);
        if now <= self.sums.at {
            return;
        }
        while self.breakpoints.first() <= now {
            self.cross(self.breakpoints.first());
        }
        self.sums.pass(now);
    }

    fn cross(&mut self, breakpoint: Timestamp) {
        self.sums.approach(breakpoint);
        while self.breakpoints.first() == breakpoint {
            let index = self.breakpoints.first_account();
            let guarantee = &mut self.guarantees[index];
            self.sums.cross(guarantee, &self.refills[index].plan);
            self.breakpoints.set(index, guarantee.stretch.end());
            self.edges.set(index, guarantee.stretch.edge());
        }
        self.sums.cap();
    }

    /// A new account, to which nothing is guaranteed.
    pub fn add(&mut self) -> Place {
        let place = Place(u32::try_from(self.guarantees.len()).expect("memory ends before 2^32 accounts do"));
        let plan = Plan::none();
        let stretch = Stretch::new(&plan, Level::ZERO, self.at());
        let guarantee = Guarantee { stretch, lending: limit(None) };
        self.sums.include(&guarantee);
        self.guarantees.push(guarantee);
        self.refills.push(Refill { plan, lending: None });
        self.breakpoints.add();
        self.edges.add();
        place
    }

    /// All accounts.
    pub fn places(&self) -> impl Iterator<Item = Place> + use<> {
        (0..u32::try_from(self.guarantees.len()).unwrap_or(u32::MAX)).map(Place)
    }

    /// The pool refills so and is so deep from now on. What it holds it keeps, if it still fits.
    pub fn set_pool(&mut self, rate: TokensPerMinute, depth: Level) {
        self.sums.pool_rate = rate;
        self.sums.pool_depth = depth;
        self.sums.cap();
    }

    /// The pool is full.
    pub fn fill_pool(&mut self) {
        self.sums.pool = self.sums.pool_depth;
    }

    /// The account's guarantee refills so from now on, and so much of its overflow others may have; none stated means
    /// all. What it holds it keeps, if it still fits.
    pub fn set_plan(&mut self, place: Place, plan: Plan, lending: Option<TokensPerMinute>) {
        let level = self.guarantee(place);
        let stretch = Stretch::new(&plan, level, self.at());
        self.refills[place.index()] = Refill { plan, lending };
        self.edges.set(place.index(), stretch.edge());
        self.replace(place, Guarantee { stretch, lending: limit(lending) });
    }

    /// How the account's guarantee refills.
    pub fn plan(&self, place: Place) -> &Plan {
        &self.refills[place.index()].plan
    }

    /// How much of its overflow others may have, as a rate; none means all.
    pub fn lending(&self, place: Place) -> Option<TokensPerMinute> {
        self.refills[place.index()].lending
    }

    /// Takes from the guarantee only, below zero if need be.
    pub fn take(&mut self, place: Place, amount: Level) {
        self.set_level(place, self.guarantee(place).minus(amount));
    }

    /// Puts into the guarantee only; what does not fit it does not get.
    pub fn put(&mut self, place: Place, amount: Level) {
        self.set_level(place, self.guarantee(place).plus(amount));
    }

    fn set_level(&mut self, place: Place, level: Level) {
        let mut guarantee = self.guarantees[place.index()];
        guarantee.stretch.set(level, self.at());
        self.replace(place, guarantee);
    }

    fn replace(&mut self, place: Place, guarantee: Guarantee) {
        let index = place.index();
        self.sums.exclude(&self.guarantees[index]);
        self.sums.include(&guarantee);
        self.breakpoints.set(index, guarantee.stretch.end());
        self.guarantees[index] = guarantee;
    }

    /// Takes from the pool only, below zero if need be.
    pub fn take_pool(&mut self, amount: Level) {
        self.sums.pool = self.sums.pool.minus(amount);
    }

    /// Puts into the pool only; what does not fit is lost.
    pub fn put_pool(&mut self, amount: Level) {
        self.sums.pool = self.sums.pool.plus(amount);
        self.sums.cap();
    }

    /// What the account's guarantee holds; negative while in debt.
    pub fn guarantee(&self, place: Place) -> Level {
        self.stretch(place).level_at(self.at())
    }

    pub(super) fn stretch(&self, place: Place) -> &Stretch {
        &self.guarantees[place.index()].stretch
    }

    /// What the pool holds.
    pub fn pool(&self) -> Level {
        self.sums.pool
    }

    /// How much it can hold.
    pub fn pool_depth(&self) -> Level {
        self.sums.pool_depth
    }

    /// How fast it refills, if nothing is withheld from it.
    pub fn pool_rate(&self) -> TokensPerMinute {
        self.sums.pool_rate
    }

    /// What all guarantees hold together, debts not counted.
    pub fn guaranteed(&self) -> Level {
        self.sums.guaranteed
    }

    /// What all guarantees hold together, counted anew: for invariants. Costs time in proportion to the accounts.
    pub fn guaranteed_recounted(&self) -> Level {
        self.places().map(|place| self.guarantee(place).max(Level::ZERO)).fold(Level::ZERO, Level::plus)
    }

    /// What the pool holds beyond all guarantees; negative in deficit.
    pub fn spare(&self) -> Level {
        self.sums.spare()
    }

    /// The spare that the pool has when nobody uses anything.
    pub fn idle_spare(&self) -> Level {
        self.sums.idle_spare()
    }

    /// By how much the pool falls short of its guarantees.
    pub fn deficit(&self) -> Level {
        Level::ZERO.minus(self.spare()).max(Level::ZERO)
    }

    /// What of the account's refill others have now: nothing unless its guarantee is full.
    pub fn lent(&self, place: Place) -> TokensPerMinute {
        let Guarantee { stretch, lending } = &self.guarantees[place.index()];
        match stretch.phase() {
            Phase::Full => stretch.rate().min(*lending),
            Phase::Debt | Phase::Filling => TokensPerMinute::ZERO,
        }
    }

    /// The first instant from now on at which the guarantee is full, if nothing is taken; none if never.
    pub fn full_at(&self, place: Place) -> Option<Timestamp> {
        Bucket::new(self.guarantee(place), self.at()).full_at(self.plan(place), self.at())
    }

    /// When the account's plan changes next; none if it does not.
    pub fn next_edge(&self, place: Place) -> Option<Timestamp> {
        self.plan(place).edge_after(self.at())
    }
}

/// Levels are equal if everything that can be seen of them is, now and later; how they came about does not matter.
impl PartialEq for Levels {
    fn eq(&self, other: &Self) -> bool {
        let pool = |levels: &Self| (levels.at(), levels.pool(), levels.pool_depth(), levels.pool_rate());
        pool(self) == pool(other)
            && self.refills == other.refills
            && self.places().all(|place| self.guarantee(place) == other.guarantee(place))
    }
}

impl Eq for Levels {}

/// A lending limit as a rate; none stated is more than any refill.
fn limit(lending: Option<TokensPerMinute>) -> TokensPerMinute {
    lending.unwrap_or(TokensPerMinute::new(u64::MAX))
}
