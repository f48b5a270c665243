//! Witness of requests a minute: a bucket of its own for every limit, which no crash fills.

use std::collections::BTreeMap;

use weir_domain::amount::{RequestsPerMinute, Tokens, TokensPerMinute};
use weir_domain::bucket::{Bucket, Level, Plan};
use weir_domain::ids::ServiceId;
use weir_domain::ledger::{GUARANTEE_WINDOW, Ledger};
use weir_domain::policy::Enforcement;
use weir_domain::time::Timestamp;

use crate::Checked;

#[derive(Default)]
pub(crate) struct Rates(BTreeMap<ServiceId, (RequestsPerMinute, Plan, Bucket)>);

impl Rates {
    /// A limit that is new begins full; one that changes keeps what is left of it, if that still fits.
    pub(crate) fn match_limits(&mut self, ledger: &Ledger, now: Timestamp) {
        for account in ledger.accounts() {
            let service = account.service();
            let limit = account.terms().and_then(|terms| terms.requests);
            if self.0.get(service).map(|(limit, ..)| *limit) == limit {
                continue;
            }
            let before = self.0.remove(service);
            if let Some(limit) = limit {
                let rate = TokensPerMinute::new(limit.get());
                let window_ns = i128::try_from(GUARANTEE_WINDOW.as_nanos()).expect("ten seconds are few");
                let depth = Level::from_rate(rate, window_ns).max(Level::from_tokens(Tokens::new(1)));
                let left = before.map_or(depth, |(_, plan, bucket)| bucket.level_at(&plan, now).min(depth));
                let rate = (limit, Plan::flat(rate, depth), Bucket::new(left, now));
                self.0.insert(service.clone(), rate);
            }
        }
    }

    /// A request was admitted.
    pub(crate) fn admit(&mut self, service: &ServiceId, ledger: &Ledger, now: Timestamp) -> Checked {
        let Some((limit, plan, bucket)) = self.0.get_mut(service) else { return Ok(()) };
        let enforcement = ledger.account(service).and_then(|account| Some(account.terms()?.enforcement));
        if enforcement != Some(Enforcement::Enforced) {
            return Ok(());
        }
        bucket.take(plan, Level::from_tokens(Tokens::new(1)), now);
        let is_over = bucket.level_at(plan, now) < Level::ZERO;
        if is_over {
            Err(format!("limits: {service} makes more than {limit} requests a minute"))
        } else {
            Ok(())
        }
    }
}
