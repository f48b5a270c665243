//! What all requests share.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weir_domain::ids::{NodeId, PoolId};
use weir_runtime::clock::Clock;
use weir_runtime::tasks::Tasks;

use crate::answer::{Answer, DrainBounds};
use crate::attempt::Metering;
use crate::auth::FailureGuard;
use crate::config::Config;
use crate::directory::SharedDirectory;
use crate::outage::Outages;
use crate::quota::QuotaChannel;
use crate::refusals::Refusals;
use crate::upstream::{Upstream, UpstreamError, Upstreams};

/// One gateway.
pub(crate) struct Gateway {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) upstreams: Upstreams,
    /// None in pass-through mode.
    pub(crate) governance: Option<Governance>,
    /// Tasks of requests: what a shutdown waits for before it flushes.
    pub(crate) tasks: Tasks,
    /// Cancelled when streams and drains may take no more time.
    pub(crate) hard_stop: CancellationToken,
}

/// What it takes to govern requests.
pub(crate) struct Governance {
    pub(crate) node: NodeId,
    pub(crate) quota: QuotaChannel,
    pub(crate) directory: SharedDirectory,
    pub(crate) guard: FailureGuard,
    pub(crate) metering: Arc<Metering>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) outages: Arc<Outages>,
}

impl Governance {
    /// Quota answered a reservation in a pool. What was admitted without it need not be known any longer once it is settled.
    pub(crate) fn quota_answers(&self, pool: &PoolId) {
        let settled = self.outages.end(pool);
        if !settled.is_empty() {
            self.metering.mark_settled(&settled);
        }
    }
}

impl Gateway {
    /// The first upstream of the settings.
    pub(crate) fn first_upstream(&self) -> Option<&Arc<Upstream>> {
        let first = self.config.upstreams.first()?;
        self.upstreams.values().find(|upstream| upstream.id.as_str() == first.name)
    }

    /// Reads on an answer whose caller has left.
    pub(crate) fn drain(&self, answer: Answer) {
        let time = std::time::Duration::from_millis(self.config.drain_ms_max);
        let bounds = DrainBounds { time, tokens: self.config.drain_tokens_max };
        self.tasks.spawn(answer.drain(bounds, self.hard_stop.clone()));
    }
}

/// Sets up the upstreams of the settings.
pub(crate) fn upstreams(config: &Config) -> Result<Upstreams, UpstreamError> {
    let mut upstreams = HashMap::new();
    for settings in &config.upstreams {
        let upstream = Upstream::new(settings)?;
        upstreams.insert(upstream.id.clone(), Arc::new(upstream));
    }
    Ok(upstreams)
}
