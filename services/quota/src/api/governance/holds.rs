//! Holds that nobody has settled, told to those who may see them.
//!
//! Each look at a pool's desk is bounded, others are served between two of them, and a call looks so often at most: where that
//! is not enough for a page, the page is told as far as it goes, with a token to go on with.

use tonic::Status;
use weir_domain::ids::{PoolId, ReservationId, ServiceId};
use weir_domain::org::Org;
use weir_domain::time::Timestamp;
use weir_proto::codec::{duration_from_wire, timestamp_to_wire};
use weir_proto::governance::v1 as wire;

use super::Governance;
use super::named::Named;
use crate::api::auth::permission_denied;
use crate::api::input::{invalid, parsed, undecided};
use crate::auth::{Caller, Owner};
use crate::pool::{Held, Looked, PoolHandle};

/// Holds in a page: a screen or two where nobody says, and 200 KB at most.
const PAGE_SIZE: usize = 100;
const PAGE_SIZE_MAX: usize = 1_000;
/// Looks at one pool in one call: some 130,000 reservations in 40 ms. A look takes longer where more than are looked at in one
/// were minted within the same 16 ms: see [`LOOKED_AT_MAX`](weir_domain::desk::LOOKED_AT_MAX).
const LOOKS_MAX: usize = 64;

/// Which holds are asked for.
struct Wanted {
    service: Option<ServiceId>,
    pool: Option<PoolId>,
    /// Asked for by then.
    until: Timestamp,
    count: usize,
    /// The first reservation of the page.
    first: ReservationId,
}

/// Holds of one pool, in order, from which reservation on there may be more, and since when all are known.
struct OfPool {
    pool: PoolId,
    held: Vec<Held>,
    next: Option<ReservationId>,
    known_since: Timestamp,
}

impl Governance {
    pub(super) async fn holds(
        &self,
        caller: &Caller,
        call: wire::ListHoldsRequest,
    ) -> Result<wire::ListHoldsResponse, Status> {
        let wanted = Wanted::read(&call, self.clock.now())?;
        let org = self.org.org();
        wanted.check_seen(caller, &org)?;
        let mut pools = Vec::new();
        for pool in self.pools.all() {
            if wanted.pool.as_ref().is_none_or(|only| only == pool.pool()) {
                pools.push(look(&pool, &wanted, caller, &org).await?);
            }
        }
        let page = page(pools, wanted.count);
        if page.holds.is_empty() {
            self.check_known(caller, wanted.named(), &org).await?;
        }
        Ok(page)
    }
}

/// Looks at a pool until there is enough for a page, or was looked often enough.
async fn look(pool: &PoolHandle, wanted: &Wanted, caller: &Caller, org: &Org) -> Result<OfPool, Status> {
    let (next, known_since) = (Some(wanted.first), Timestamp::EPOCH);
    let mut found = OfPool { pool: pool.pool().clone(), held: Vec::new(), next, known_since };
    for _ in 0..LOOKS_MAX {
        let Some(first) = found.next.filter(|_| found.held.len() <= wanted.count) else { break };
        let is_wanted = |service: &ServiceId| wanted.fits(service, caller, org);
        let looked = pool.unsettled(first, wanted.until, is_wanted).await;
        let Looked { held, next, known_since } = looked.map_err(|reason| undecided(&reason))?;
        found.held.extend(held);
        (found.next, found.known_since) = (next, known_since);
        tokio::task::yield_now().await;
    }
    Ok(found)
}

/// The oldest of all pools, as far as all of them were looked at.
fn page(pools: Vec<OfPool>, count: usize) -> wire::ListHoldsResponse {
    let known_since = pools.iter().map(|pool| pool.known_since).max();
    let mut next = pools.iter().filter_map(|pool| pool.next).min();
    let of_pool = |it: OfPool| it.held.into_iter().map(move |held| (held, it.pool.clone()));
    let mut held: Vec<_> = pools.into_iter().flat_map(of_pool).collect();
    held.retain(|(held, _)| next.is_none_or(|next| held.hold.reservation < next));
    held.sort_by(|(one, pool), (other, of)| (one.hold.reservation, pool).cmp(&(other.hold.reservation, of)));
    if let Some((last, _)) = held.get(count - 1) {
        // One id in two pools is told on one page.
        let last = last.hold.reservation;
        let told = held.partition_point(|(held, _)| held.hold.reservation <= last);
        next = held.get(told).map(|(held, _)| held.hold.reservation).or(next);
        held.truncate(told);
    }
    wire::ListHoldsResponse {
        holds: held.iter().map(|(held, pool)| hold_to_wire(held, pool)).collect(),
        next_page_token: next.map_or_else(String::new, |next| next.to_string()),
        known_since: known_since.map(timestamp_to_wire),
    }
}

fn hold_to_wire(Held { hold, node }: &Held, pool: &PoolId) -> wire::UnsettledHold {
    wire::UnsettledHold {
        reservation_id: hold.reservation.to_string(),
        hold_id: hold.hold.to_string(),
        pool: pool.to_string(),
        service: hold.service.to_string(),
        node: node.clone(),
        tokens: hold.hold.tokens().get(),
        since: Some(timestamp_to_wire(hold.since)),
        expires: hold.until.map(timestamp_to_wire),
    }
}

impl Wanted {
    fn read(call: &wire::ListHoldsRequest, now: Timestamp) -> Result<Self, Status> {
        let age = call.older_than.as_ref();
        if age.is_some_and(|age| age.seconds < 0 || age.nanos < 0) {
            return Err(invalid("older_than", "is negative; leave it out for all"));
        }
        Ok(Self {
            service: if call.service.is_empty() { None } else { Some(parsed(&call.service, "service")?) },
            pool: if call.pool.is_empty() { None } else { Some(parsed(&call.pool, "pool")?) },
            // Where nobody says how old, what clocks that are ahead have minted is told, too.
            until: age.map_or(Timestamp::from_nanos(i64::MAX), |age| now.minus(duration_from_wire(age))),
            count: match usize::try_from(call.page_size).unwrap_or(usize::MAX) {
                0 => PAGE_SIZE,
                size if size <= PAGE_SIZE_MAX => size,
                size => return Err(invalid("page_size", format!("is {size}; {PAGE_SIZE_MAX} is the most"))),
            },
            first: match call.page_token.as_str() {
                "" => ReservationId::new(0),
                token => parsed(token, "page_token")?,
            },
        })
    }

    /// Whether whoever asks sees the service that they name.
    fn check_seen(&self, caller: &Caller, org: &Org) -> Result<(), Status> {
        let Some(service) = &self.service else { return Ok(()) };
        caller.may_see(Owner::of_service(org, service)).map_err(|denied| permission_denied(&denied))
    }

    /// What must be there, or have been.
    fn named(&self) -> Vec<Named<'_>> {
        let service = self.service.as_ref().map(Named::Service);
        let pool = self.pool.as_ref().map(Named::Pool);
        service.into_iter().chain(pool).collect()
    }

    fn fits(&self, service: &ServiceId, caller: &Caller, org: &Org) -> bool {
        match &self.service {
            Some(only) => only == service,
            None => caller.may_see(Owner::of_thing(org, Some(service))).is_ok(),
        }
    }
}
