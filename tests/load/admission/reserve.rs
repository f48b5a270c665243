//! Reservations alone. What they hold is settled between the measurements, in a session of its own.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use bytes::Bytes;
use weir_domain::ids::HoldId;
use weir_proto::quota::v1::ReserveRequest;
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;
use weir_proto::quota::v1::reserve_response::Decision;
use weir_tests::load::closed::Caller;
use weir_tests::load::cpu::CpuClock;
use weir_tests::load::moment::Moment;
use weir_tests::load::organisation::{MODEL, POOL, QuotaChannel, SERVICES, service};
use weir_tests::load::requests::{PER_SECOND, Requests};
use weir_tests::load::rounds::{Load, Sample, Side};

use crate::CALLERS;
use crate::mint::Mint;
use crate::quota::{HELD_TOKENS, INPUT_TOKENS};
use crate::session::{ITEMS_PER_SECOND, Session};

/// Holds as they were told, by the number of their service: a load generator reads them later.
type Held = Rc<RefCell<Vec<(u32, String)>>>;

/// One caller.
struct Reserves {
    client: AdmissionServiceClient<QuotaChannel>,
    service: String,
    account: u32,
    mint: Mint,
    held: Held,
}

impl Caller for Reserves {
    async fn call(&mut self, now: Moment) -> anyhow::Result<()> {
        let reserve = ReserveRequest {
            reservation_id: self.mint.next(now).to_string(),
            service: self.service.clone(),
            pool: POOL.to_owned(),
            tokens: HELD_TOKENS,
            model: MODEL.to_owned(),
            input: INPUT_TOKENS,
        };
        match self.client.reserve(reserve).await?.into_inner().decision {
            Some(Decision::Admitted(admitted)) => {
                self.held.borrow_mut().push((self.account, admitted.hold_id));
                Ok(())
            }
            other => bail!("not admitted: {other:?}"),
        }
    }
}

/// A side that reserves only.
pub(crate) struct ReserveAlone {
    requests: Requests<Reserves>,
    held: Held,
    /// What settles what was held; none where nothing is.
    settling: Option<Session>,
}

impl ReserveAlone {
    pub(crate) fn new(
        name: &'static str,
        client: &AdmissionServiceClient<QuotaChannel>,
        clock: CpuClock,
        settling: Option<Session>,
    ) -> Self {
        let held = Held::default();
        let caller = |index| Reserves {
            client: client.clone(),
            service: service(index),
            account: u32::try_from(index % SERVICES).expect("there are few services"),
            mint: Mint::default(),
            held: Rc::clone(&held),
        };
        let callers = (0..CALLERS).map(caller).collect();
        Self { requests: Requests::new(name, callers, vec![clock]), held, settling }
    }

    /// How many holds were settled so far.
    pub(crate) fn settled(&self) -> u64 {
        self.settling.as_ref().map_or(0, Session::settled)
    }
}

#[async_trait(?Send)]
impl Side for ReserveAlone {
    fn name(&self) -> &'static str {
        self.requests.name()
    }

    fn clocks(&self) -> Vec<CpuClock> {
        self.requests.clocks()
    }

    /// Beside sessions it is all callers, each of whose calls is an item.
    async fn run(&mut self, load: Load, span: Duration) -> anyhow::Result<Sample> {
        let batches = matches!(load, Load::Batches { .. });
        let load = if batches { Load::Closed { callers: CALLERS } } else { load };
        let mut sample = self.requests.run(load, span).await?;
        let held = self.held.take();
        if let Some(session) = &mut self.settling {
            let held = held.into_iter().map(in_session).collect::<anyhow::Result<_>>()?;
            session.settle_all(held).await.context("settling what was reserved")?;
        }
        let rate = sample.iter_mut().find(|(metric, _)| *metric == PER_SECOND);
        if let Some((metric, _)) = rate.filter(|_| batches) {
            *metric = ITEMS_PER_SECOND;
        }
        Ok(sample)
    }
}

fn in_session((account, hold): (u32, String)) -> anyhow::Result<(u32, Bytes)> {
    let hold: HoldId = hold.parse()?;
    Ok((account, Bytes::copy_from_slice(&hold.as_u128().to_be_bytes())))
}
