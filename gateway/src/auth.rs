//! Who calls: the key a request presents, and a guard against addresses that try many.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use weir_domain::directory::KeyHash;
use weir_domain::time::Timestamp;

use crate::directory::{Caller, Index};
use crate::errors::Problem;
use crate::headers::API_KEY;

/// After so many failures, addresses that have been quiet are forgotten.
const FORGET_EVERY: u32 = 1_024;

/// Slows down addresses that present wrong keys. A right key always passes: others may share the address.
pub(crate) struct FailureGuard {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    failures: AtomicU32,
}

impl FailureGuard {
    /// Lets an address fail so often a minute.
    pub(crate) fn new(failures_per_minute: NonZeroU32) -> Self {
        Self {
            limiter: RateLimiter::keyed(Quota::per_minute(failures_per_minute)),
            clock: DefaultClock::default(),
            failures: AtomicU32::new(0),
        }
    }

    /// Counts a failure. How long the address must wait, if it fails too often.
    fn count(&self, peer: IpAddr) -> Option<Duration> {
        if self.failures.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let refused = self.limiter.check_key(&network_of(peer)).err()?;
        Some(refused.wait_time_from(self.clock.now()))
    }
}

/// A subscriber of IPv6 has a whole network of 64 bits.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// Finds out who calls, or what to answer.
pub(crate) fn authenticate(
    headers: &HeaderMap,
    index: &Index,
    peer: IpAddr,
    guard: &FailureGuard,
    now: Timestamp,
) -> Result<Caller, Problem> {
    let presented = presented_key(headers);
    let caller = presented.and_then(|key| index.caller(&KeyHash::new(Sha256::digest(key).into()), now));
    if let Some(caller) = caller {
        return Ok(caller.clone());
    }
    if let Some(wait) = guard.count(peer) {
        return Err(Problem::too_many_failures(wait));
    }
    Err(Problem::unauthenticated(match presented {
        Some(_) => "Incorrect API key provided: it is unknown, revoked or has expired.",
        None => "No API key provided: send `Authorization: Bearer KEY` or `api-key: KEY`.",
    }))
}

fn presented_key(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(b"bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(key.trim_ascii())
    });
    bearer
        .or_else(|| headers.get(API_KEY).map(|value| value.as_bytes().trim_ascii()))
        .filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tests::sample;
    use http::HeaderValue;
    use weir_domain::directory::{CallerKey, Directory, KeyHolder, ServiceEntry};
    use weir_domain::ids::{CallerKeyId, ServiceId, TeamId};

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn index() -> Index {
        let service = ServiceId::try_new("bot").unwrap();
        Index::new(Directory {
            services: vec![ServiceEntry {
                id: service.clone(),
                team: TeamId::try_new("t").unwrap(),
                pools: vec![],
            }],
            keys: vec![CallerKey {
                id: CallerKeyId::try_new("k").unwrap(),
                hash: KeyHash::new(Sha256::digest("weir-1").into()),
                service,
                holder: KeyHolder::Workload,
                expires: None,
                models: vec![],
            }],
            ..Directory::default()
        })
    }

    fn answer(name: &'static str, value: &'static str) -> Result<String, &'static str> {
        let headers = [(name.parse().unwrap(), HeaderValue::from_static(value))].into_iter().collect();
        let guard = FailureGuard::new(NonZeroU32::MAX);
        let caller = authenticate(&headers, &index(), PEER, &guard, Timestamp::EPOCH);
        caller.map(|caller| caller.key.to_string()).map_err(|problem| problem.code())
    }

    #[test]
    fn a_key_is_taken_from_either_header() {
        for (name, value) in
            [("authorization", "Bearer weir-1"), ("authorization", "bearer  weir-1"), ("api-key", "weir-1")]
        {
            assert_eq!(answer(name, value), Ok("k".to_owned()), "{name}: {value}");
        }
        for (name, value) in
            [("authorization", "weir-1"), ("authorization", "Bearer "), ("api-key", "weir-2"), ("x", "y")]
        {
            assert_eq!(answer(name, value), Err("invalid_api_key"), "{name}: {value}");
        }
    }

    #[test]
    fn an_address_that_keeps_failing_is_slowed_down_and_a_right_key_still_passes() {
        let guard = FailureGuard::new(NonZeroU32::new(2).unwrap());
        let attempt = |peer: &str, key: &'static str| {
            let headers = [(API_KEY, HeaderValue::from_static(key))].into_iter().collect();
            authenticate(&headers, &index(), peer.parse().unwrap(), &guard, Timestamp::EPOCH)
                .map(|_| ())
                .map_err(|problem| problem.code())
        };
        assert_eq!(attempt("2001:db8::1", "no"), Err("invalid_api_key"));
        assert_eq!(attempt("2001:db8::2", "no"), Err("invalid_api_key"));
        assert_eq!(attempt("2001:db8::3", "no"), Err("too_many_failed_authentications"));
        assert_eq!(attempt("2001:db8::3", "weir-1"), Ok(()));
        assert_eq!(attempt("2001:db8:0:1::1", "no"), Err("invalid_api_key"));
    }

    #[test]
    fn a_directory_without_the_key_knows_nobody() {
        assert_eq!(sample().caller(&KeyHash::new([9; 32]), Timestamp::EPOCH).map(|caller| &caller.key), None);
    }
}
