//! How much two threads get that are out for the same limits at the same time.
//!
//! Each goes through all services in the same order, and asks of every one until it is refused. Whatever a service was
//! granted above its limit is too much. Weir is asked as its service asks it: a lock around a pool's desk.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use limitador::limit::Namespace;
use rustix::thread::{CpuSet, sched_setaffinity};
use weir_domain::amount::{Tokens, TokensPerMinute};
use weir_domain::policy::Terms;
use weir_tests::load::desk::pool_of;

use super::limitador::{context, limiter};

const THREADS: usize = 2;
const SERVICES: usize = 2_000;
/// Each service's limit, of which every request asks one.
const LIMIT: u64 = 20;

/// What was granted in all, and above limits.
pub(super) struct Granted {
    who: &'static str,
    in_all: u64,
    /// How many services got more than their limit, and how much more.
    over: (u64, u64),
}

impl Granted {
    fn of(who: &'static str, counts: &[AtomicU64]) -> Self {
        let counts: Vec<_> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let over: Vec<_> =
            counts.iter().map(|count| count.saturating_sub(LIMIT)).filter(|over| *over > 0).collect();
        Self { who, in_all: counts.iter().sum(), over: (over.len() as u64, over.iter().sum()) }
    }

    /// How much was granted above limits.
    pub(super) const fn too_much(&self) -> u64 {
        self.over.1
    }

    /// Whether every service got all of its limit.
    pub(super) const fn is_all(&self) -> bool {
        self.in_all >= SERVICES as u64 * LIMIT
    }
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, in_all, over: (services, requests) } = self;
        let whole = SERVICES as u64 * LIMIT;
        write!(f, "{who}: granted {in_all} of {whole}; {services} services over their limit, by {requests}")
    }
}

/// Weir: a reservation each, of an allocation that has so much at once and as good as no refill.
pub(super) fn weir() -> Granted {
    let terms = Terms::guarantee(TokensPerMinute::new(1), Tokens::new(LIMIT));
    let desk = Mutex::new(pool_of(SERVICES, 2 * LIMIT, &terms));
    let counts = race(|| {
        |number| {
            let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
            desk.reserve(number, 1).is_ok()
        }
    });
    Granted::of("Weir: reserve", &counts)
}

/// Limitador: a check and update each.
pub(super) fn limitador() -> Granted {
    let (limiter, namespace) = (limiter("chat", SERVICES, LIMIT), Namespace::from("chat"));
    let counts = race(|| {
        let contexts: Vec<_> = (0..SERVICES).map(context).collect();
        let (limiter, namespace) = (&limiter, &namespace);
        move |number: usize| {
            let checked = limiter.check_rate_limited_and_update(namespace, &contexts[number], 1);
            checked.is_ok_and(|checked| !checked.limited)
        }
    });
    Granted::of("Limitador: check and update", &counts)
}

/// Goes on when so many have arrived, all of them at once: a thread that sleeps is too late for what takes microseconds.
fn meet(arrived: &AtomicUsize, all: usize) {
    const SPINS: u32 = 10_000;
    arrived.fetch_add(1, Ordering::AcqRel);
    for spin in 0.. {
        if arrived.load(Ordering::Acquire) >= all {
            return;
        }
        if spin < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
    }
}

/// A race needs two processors, wherever the rest is measured. Without leave for that it is run all the same.
fn run_anywhere() {
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|processor| all.set(processor));
    let _is_free = sched_setaffinity(None, &all);
}

/// What each service was granted by whatever every thread asks.
fn race<F: FnMut(usize) -> bool>(asks: impl Fn() -> F + Sync) -> Vec<AtomicU64> {
    let counts: Vec<_> = (0..SERVICES).map(|_| AtomicU64::new(0)).collect();
    let arrived = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                run_anywhere();
                let mut ask = asks();
                for (number, count) in counts.iter().enumerate() {
                    meet(&arrived, (number + 1) * THREADS);
                    while ask(number) {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    counts
}
