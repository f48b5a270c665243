//! How often somebody may fail to say who they are, and how often somebody known may ask for governance.
//!
//! Admission is not guarded here: gateways ask as often as they are called. A gateway that watches the directory is counted
//! by where it is, because many of them share one name: a fleet that starts at once is let in, and one that crashes again
//! and again keeps no other out.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};

/// Failed authentications a minute that are answered one by one and logged; more are turned away unseen, so that a
/// flood of them costs next to nothing. Enough for every node of a fleet to start with an old token.
const FAILURES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(120).expect("not zero");
/// The part of them that one address may use, so that a flood from one place does not hide what fails elsewhere.
const FAILURES_PER_PEER_PER_MINUTE: NonZeroU32 = NonZeroU32::new(30).expect("not zero");
/// Calls of governance by one caller: far more than people make, and a bound on what a broken script can ask the
/// organisation's writer and the journal.
const COMMANDS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(120).expect("not zero");
/// How many of them may come at once: a script that sets up an organisation, say.
const COMMANDS_AT_ONCE: NonZeroU32 = NonZeroU32::new(60).expect("not zero");
/// Addresses and callers remembered: a few MB. Beyond, those that have been quiet are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// Counts failed authentications.
pub(crate) struct FailureGuard {
    all: DefaultDirectRateLimiter,
    of_peer: Bounded<IpAddr>,
    clock: DefaultClock,
}

impl Default for FailureGuard {
    fn default() -> Self {
        Self {
            all: RateLimiter::direct(Quota::per_minute(FAILURES_PER_MINUTE)),
            of_peer: Bounded::new(Quota::per_minute(FAILURES_PER_PEER_PER_MINUTE)),
            clock: DefaultClock::default(),
        }
    }
}

impl FailureGuard {
    /// Counts one. An error says after what time another one is answered in full.
    pub(crate) fn count(&self, peer: Option<IpAddr>) -> Result<(), Duration> {
        if let Some(peer) = peer {
            self.of_peer.check(&place(peer))?;
        }
        self.all.check().map_err(|early| wait(&early, &self.clock))
    }
}

/// Counts the calls of governance of everybody.
pub(crate) struct CommandGuard(Bounded<String>);

impl Default for CommandGuard {
    fn default() -> Self {
        Self(Bounded::new(Quota::per_minute(COMMANDS_PER_MINUTE).allow_burst(COMMANDS_AT_ONCE)))
    }
}

impl CommandGuard {
    /// Counts one of a person or a program. An error says after what time another one is taken.
    pub(crate) fn count(&self, name: &str) -> Result<(), Duration> {
        self.0.check(&name.to_owned())
    }

    /// Counts one of a gateway.
    pub(crate) fn count_node(&self, name: &str, peer: Option<IpAddr>) -> Result<(), Duration> {
        // A slash is in no name that people choose, and in no address.
        let at = peer.map_or_else(String::new, |peer| place(peer).to_string());
        self.0.check(&format!("{name}/{at}"))
    }
}

/// A limit for each of a bounded number of keys.
struct Bounded<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    /// Once as many keys are busy as are remembered, all others share one limit.
    others: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl<K: Hash + Eq + Clone> Bounded<K> {
    fn new(quota: Quota) -> Self {
        let (limiter, others) = (RateLimiter::keyed(quota), RateLimiter::direct(quota));
        Self { limiter, others, clock: DefaultClock::default() }
    }

    fn check(&self, key: &K) -> Result<(), Duration> {
        if self.limiter.len() >= REMEMBERED_MAX {
            self.limiter.retain_recent();
        }
        if self.limiter.len() >= REMEMBERED_MAX {
            return self.others.check().map_err(|early| wait(&early, &self.clock));
        }
        self.limiter.check_key(key).map_err(|early| wait(&early, &self.clock))
    }
}

fn wait(early: &NotUntil<<DefaultClock as Clock>::Instant>, clock: &DefaultClock) -> Duration {
    early.wait_time_from(clock.now())
}

/// Where an address is: all of an IPv6 network of 64 bits counts as one place, because one machine may have all of it.
fn place(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_flood_from_one_place_does_not_hide_what_fails_elsewhere() {
        let guard = FailureGuard::default();
        let flood = (0..1_000).filter(|_| guard.count(Some(ip("10.0.0.1"))).is_ok()).count();
        assert_eq!(flood, 30);
        assert_eq!(guard.count(Some(ip("10.0.0.2"))), Ok(()));
    }

    #[test]
    fn a_flood_from_everywhere_is_cut_short_too() {
        let guard = FailureGuard::default();
        let peers = (0..1_000).map(|number| IpAddr::from(std::net::Ipv4Addr::from_bits(number)));
        let answered = peers.filter(|peer| guard.count(Some(*peer)).is_ok()).count();
        assert_eq!(answered, 120);
        let wait = guard.count(Some(ip("192.0.2.1"))).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
    }

    #[test]
    fn a_network_of_one_machine_is_one_place() {
        assert_eq!(place(ip("2001:db8::1")), place(ip("2001:db8::ffff")));
        assert_ne!(place(ip("2001:db8::1")), place(ip("2001:db8:0:1::1")));
        assert_eq!(place(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
    }

    #[test]
    fn however_many_keys_there_are_no_more_are_remembered_than_the_bound() {
        let bounded = Bounded::new(Quota::per_hour(COMMANDS_AT_ONCE));
        let passed = (0..REMEMBERED_MAX + 1_000).filter(|key| bounded.check(key).is_ok()).count();
        assert_eq!(bounded.limiter.len(), REMEMBERED_MAX);
        assert_eq!(passed, REMEMBERED_MAX + 60);
    }

    #[test]
    fn one_callers_commands_are_not_anothers() {
        let guard = CommandGuard::default();
        assert_eq!((0..100).filter(|_| guard.count("ada").is_ok()).count(), 60);
        assert_eq!(guard.count("grace"), Ok(()));
    }

    #[test]
    fn a_gateway_that_starts_again_and_again_keeps_no_other_out() {
        let guard = CommandGuard::default();
        let crashing = |_: &i32| guard.count_node("node", Some(ip("10.0.0.1"))).is_ok();
        assert_eq!((0..100).filter(crashing).count(), 60);
        let fleet = (0..200).map(|last| Some(ip(&format!("10.0.1.{last}"))));
        assert_eq!(fleet.filter(|peer| guard.count_node("node", *peer).is_ok()).count(), 200);
    }
}
