//! The candidate: tokens are reserved, then settled.

use anyhow::{Context, bail, ensure};
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;
use weir_proto::quota::v1::reserve_response::Decision;
use weir_proto::quota::v1::{ReserveRequest, SettleRequest};
use weir_tests::load::closed::Caller;
use weir_tests::load::moment::Moment;
use weir_tests::load::organisation::{MODEL, POOL, QuotaChannel, QuotaServer, service};

use crate::mint::Mint;

/// What a call holds, and what it turns out to use.
pub(crate) const HELD_TOKENS: u64 = 1_500;
pub(crate) const USED_TOKENS: u64 = 400;
pub(crate) const INPUT_TOKENS: u64 = 250;

/// One caller.
pub(crate) struct ReserveAndSettle {
    client: AdmissionServiceClient<QuotaChannel>,
    service: String,
    mint: Mint,
}

impl ReserveAndSettle {
    pub(crate) fn new(client: AdmissionServiceClient<QuotaChannel>, index: usize) -> Self {
        Self { client, service: service(index), mint: Mint::default() }
    }
}

impl Caller for ReserveAndSettle {
    async fn call(&mut self, now: Moment) -> anyhow::Result<()> {
        let reserve = ReserveRequest {
            reservation_id: self.mint.next(now).to_string(),
            service: self.service.clone(),
            pool: POOL.to_owned(),
            tokens: HELD_TOKENS,
            model: MODEL.to_owned(),
            input: INPUT_TOKENS,
        };
        let hold_id = match self.client.reserve(reserve).await?.into_inner().decision {
            Some(Decision::Admitted(admitted)) => admitted.hold_id,
            other => bail!("not admitted: {other:?}"),
        };
        let settle = SettleRequest {
            hold_id,
            service: self.service.clone(),
            pool: POOL.to_owned(),
            used: USED_TOKENS,
            model: MODEL.to_owned(),
            input: INPUT_TOKENS,
            input_cached: 0,
        };
        let settled = self.client.settle(settle).await?.into_inner();
        ensure!(settled.charged, "a settle was charged before");
        Ok(())
    }
}

/// Every pair was charged, once, and nothing is held any more.
pub(crate) async fn check(quota: &QuotaServer, pairs: u64) -> anyhow::Result<()> {
    let settled = quota.settled_tokens().await.context("after all pairs")?;
    ensure!(settled == pairs * USED_TOKENS, "{pairs} pairs settled {settled} tokens");
    Ok(())
}
