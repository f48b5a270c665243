//! Counts refusals and has them published about once a second, because a client in a loop must not flood the journal.
//!
//! A refusal used no tokens: what a killed process had counted in its last second is not written anywhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_domain::amount::{Requests, Tokens};
use weir_domain::directory::ServiceEntry;
use weir_domain::ids::{ModelName, NodeId, PoolId, ServiceId, TeamId};
use weir_domain::time::Timestamp;
use weir_domain::usage::{RefusalsCounted, UsageEvent};
use weir_runtime::clock::Clock;

use crate::attempt::Publication;
use crate::backlog::Backlog;
use crate::metrics;

/// How often counts are published.
const INTERVAL: Duration = Duration::from_secs(1);
/// While so many events wait for the journal, refusals go on being counted instead of joining the queue.
const WAITING_MAX: usize = 1_024;

/// Counts of refusals that are not published yet, one for each service, pool, model and limit.
pub(crate) struct Refusals {
    node: NodeId,
    clock: Arc<dyn Clock>,
    counts: Mutex<HashMap<Key, Count>>,
}

/// A request that was refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused<'a> {
    pub(crate) service: &'a ServiceEntry,
    pub(crate) pool: &'a PoolId,
    pub(crate) model: &'a ModelName,
    pub(crate) limit: &'static str,
    pub(crate) tokens: Tokens,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    team: TeamId,
    service: ServiceId,
    pool: PoolId,
    model: ModelName,
    limit: &'static str,
}

struct Count {
    requests: u64,
    tokens: Tokens,
    from: Timestamp,
    to: Timestamp,
}

impl Refusals {
    /// Nothing counted yet.
    pub(crate) fn new(node: NodeId, clock: Arc<dyn Clock>) -> Self {
        Self { node, clock, counts: Mutex::default() }
    }

    /// Counts one.
    pub(crate) fn count(&self, refused: &Refused<'_>) {
        let Refused { service, pool, model, limit, tokens } = *refused;
        metrics::refused(&service.team, pool, limit);
        let now = self.clock.now();
        let (team, service) = (service.team.clone(), service.id.clone());
        let key = Key { team, service, pool: pool.clone(), model: model.clone(), limit };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count =
            counts.entry(key).or_insert(Count { requests: 0, tokens: Tokens::ZERO, from: now, to: now });
        count.requests += 1;
        count.tokens += tokens;
        count.to = now;
    }

    /// Has counts published until shutdown.
    pub(crate) async fn keep_published(
        &self,
        backlog: Arc<Backlog<Publication>>,
        shutdown: CancellationToken,
    ) {
        let publishing = async {
            loop {
                tokio::time::sleep(INTERVAL).await;
                if backlog.open() < WAITING_MAX {
                    self.publish(&backlog);
                }
            }
        };
        let _: Option<()> = shutdown.run_until_cancelled(publishing).await;
    }

    /// Has what is counted so far published.
    pub(crate) fn publish(&self, backlog: &Backlog<Publication>) {
        let counts = std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        for (key, count) in counts {
            let event = UsageEvent::Refused(RefusalsCounted {
                id: weir_runtime::ids::event_id(),
                node: self.node.clone(),
                team: key.team,
                service: key.service,
                pool: key.pool,
                model: key.model,
                limit: key.limit.to_owned(),
                count: Requests::new(count.requests),
                tokens: count.tokens,
                from: count.from,
                to: count.to,
            });
            backlog.push(Publication::of_no_attempt(event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_runtime::clock::ManualClock;

    #[tokio::test]
    async fn a_thousand_refusals_are_one_event() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(10)));
        let refusals = Refusals::new(NodeId::try_new("n").unwrap(), clock.clone());
        let service = ServiceEntry {
            id: ServiceId::try_new("s").unwrap(),
            team: TeamId::try_new("t").unwrap(),
            pools: Vec::new(),
        };
        let (pool, model) = (PoolId::try_new("p").unwrap(), ModelName::try_new("m").unwrap());
        let refused = |limit, tokens| Refused {
            service: &service,
            pool: &pool,
            model: &model,
            limit,
            tokens: Tokens::new(tokens),
        };
        for _ in 0..1_000 {
            refusals.count(&refused("baseline", 5));
        }
        clock.set(Timestamp::from_secs(11));
        refusals.count(&refused("baseline", 5));
        refusals.count(&refused("request_size", 7));
        let backlog = Backlog::default();
        refusals.publish(&backlog);
        refusals.publish(&backlog);

        let mut events: Vec<_> =
            backlog.take(10).await.into_iter().map(|publication| publication.event).collect();
        events.sort_by_key(|event| {
            std::cmp::Reverse(if let UsageEvent::Refused(it) = event { it.count } else { Requests::ZERO })
        });
        let [UsageEvent::Refused(first), UsageEvent::Refused(second)] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(
            (first.count, first.tokens, first.limit.as_str()),
            (Requests::new(1_001), Tokens::new(5_005), "baseline")
        );
        assert_eq!((first.from, first.to), (Timestamp::from_secs(10), Timestamp::from_secs(11)));
        assert_eq!((second.count, second.limit.as_str()), (Requests::new(1), "request_size"));
    }
}
