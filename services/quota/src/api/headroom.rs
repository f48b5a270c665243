//! `GetHeadroom`: what a service could use now, and why not more.

use std::collections::BTreeSet;

use tonic::Status;
use weir_domain::amount::{RequestsPerMinute, Tokens};
use weir_domain::budget::{BudgetKind, BudgetLimit};
use weir_domain::burst::{Approval, Burst, BurstPhase, BurstRecord};
use weir_domain::calendar::Utc;
use weir_domain::desk::{BudgetStanding, Debt, Headroom, Prospect, Rates, Sources};
use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::ledger::{PoolTerms, Quantity};
use weir_domain::policy::Enforcement;
use weir_domain::price_book::Intended;
use weir_domain::time::Timestamp;
use weir_proto::codec::{duration_to_wire, timestamp_to_wire};
use weir_proto::quota::v1 as wire;

use super::admission::Admission;
use super::auth::permission_denied;
use super::input::{self, parsed, undecided};
use super::refusal::{next_change_to_wire, refused_to_wire, standing_to_wire};
use crate::auth::Caller;

/// Changes to come that are told: a screen of them. `ListBursts` has all.
const COMING_MAX: usize = 16;

impl Admission {
    pub(super) async fn headroom(
        &self,
        caller: &Caller,
        call: wire::GetHeadroomRequest,
    ) -> Result<wire::GetHeadroomResponse, Status> {
        let service: ServiceId = parsed(&call.service, "service")?;
        let asked = input::tokens(call.tokens, "tokens")?;
        let pools = self.pools_to_show(caller, &service, &call.pool)?;
        let mut allocations = Vec::new();
        for pool in pools {
            allocations.extend(self.headroom_in(&pool, &service, asked).await?);
        }
        Ok(wire::GetHeadroomResponse { allocations })
    }

    fn pools_to_show(
        &self,
        caller: &Caller,
        service: &ServiceId,
        pool: &str,
    ) -> Result<BTreeSet<PoolId>, Status> {
        let org = self.org.org();
        let known = org.service(service);
        caller.may_touch(known.map(|service| &service.team)).map_err(|denied| permission_denied(&denied))?;
        match pool {
            "" if known.is_some() => Ok(org.pools_of(service).cloned().collect()),
            "" => Err(Status::not_found(format!("there is no service {service}"))),
            pool => Ok(BTreeSet::from([parsed(pool, "pool")?])),
        }
    }

    async fn headroom_in(
        &self,
        pool: &PoolId,
        service: &ServiceId,
        asked: Tokens,
    ) -> Result<Option<wire::Headroom>, Status> {
        let Some(handle) = self.pools.get(pool) else { return Ok(None) };
        let now = self.clock.now();
        let asked = (asked > Tokens::ZERO).then(|| {
            let call = Intended { model: "", tokens: asked, input: Tokens::ZERO };
            let priced = handle.entitled(service.as_str()).is_ok_and(|entitled| entitled.priced);
            let money = if priced { self.at_most(pool, call) } else { Quantity::ZERO.money };
            Quantity { tokens: asked, money }
        });
        let headroom = handle.headroom(service, asked).await.map_err(|reason| undecided(&reason))?;
        let org = self.org.org();
        let coming = || org.terms(pool).map_or_else(Vec::new, |terms| coming(terms, service, now));
        Ok(headroom.map(|headroom| headroom_to_wire(pool, &headroom, coming())))
    }
}

/// What was decided and is still to come, the next first.
fn coming(terms: &PoolTerms, service: &ServiceId, now: Timestamp) -> Vec<wire::NextChange> {
    let bursts = terms.bursts_of(service).filter(|record| record.phase(now) == BurstPhase::Upcoming);
    let bursts = bursts.map(|record| {
        let Burst { id, extra, window, .. } = &record.burst;
        let what = match record.approval() {
            Some(Approval::BestEffort) => "may be borrowed",
            _ => "are guaranteed",
        };
        let until = Utc(window.end());
        (window.start(), format!("burst {id} begins: {extra} tokens a minute more {what} until {until}"))
    });
    let lapse = terms.allocations().get(service).and_then(|terms| terms.lapse).filter(|it| it.at > now);
    let lapse = lapse
        .map(|lapse| (lapse.at, format!("an exception ends: {} tokens a minute at most are left", lapse.to)));
    let mut coming: Vec<_> = bursts.chain(lapse).collect();
    coming.sort();
    coming.truncate(COMING_MAX);
    let to_wire = |(at, what)| wire::NextChange { at: Some(timestamp_to_wire(at)), what };
    coming.into_iter().map(to_wire).collect()
}

fn headroom_to_wire(pool: &PoolId, headroom: &Headroom, coming: Vec<wire::NextChange>) -> wire::Headroom {
    let Headroom { standing, available, terms, pool: whole, totals, .. } = headroom;
    let Rates { baseline, guaranteed_bursts, best_effort_bursts, ceiling, lending_max, lent, .. } =
        headroom.rates;
    wire::Headroom {
        pool: pool.to_string(),
        standing: Some(standing_to_wire(standing)),
        baseline_per_minute: baseline.get(),
        bursts: headroom.bursts.iter().map(burst_to_wire).collect(),
        request_max: terms.request_max.get(),
        held: totals.outstanding.get(),
        holds: headroom.in_flight.into(),
        settled_total: totals.settled.get(),
        debt: headroom.debt.tokens.get(),
        pool_level: whole.level.get(),
        pool_depth: whole.depth.get(),
        pool_capacity_per_minute: whole.capacity.get(),
        ceiling_per_minute: ceiling.get(),
        lending_per_minute: lending_max.get(),
        borrowed: headroom.borrowed.get(),
        lent_per_minute: lent.get(),
        pool_deficit: whole.deficit.get(),
        threshold: headroom.threshold.get(),
        requests_per_minute: terms.requests.map(RequestsPerMinute::get),
        requests_available: headroom.requests_available,
        in_flight_max: terms.in_flight_max,
        budgets: headroom.budgets.iter().map(budget_to_wire).collect(),
        open_tokens_per_outage: headroom.open_tokens_per_outage().unwrap_or_default().get(),
        shadow: terms.enforcement == Enforcement::Shadow,
        next_change: headroom.next_change.as_ref().map(next_change_to_wire),
        prospect: headroom.prospect.as_ref().map(prospect_to_wire),
        summary: headroom.summary(),
        coming,
        guaranteed: available.guaranteed.get(),
        in_hand: available.in_hand.get(),
        ceiling_leaves: available.ceiling_leaves.get(),
        others_leave: available.others_leave.get(),
        binding_budget: available.budget.as_ref().map_or_else(String::new, |(id, _)| id.to_string()),
        guaranteed_bursts_per_minute: guaranteed_bursts.get(),
        best_effort_bursts_per_minute: best_effort_bursts.get(),
        repayment: repayment_to_wire(&headroom.debt),
    }
}

fn repayment_to_wire(debt: &Debt) -> Option<wire::DebtRepayment> {
    let Debt { tokens, guarantee, borrowing, repaid_after } = debt;
    (*tokens > Tokens::ZERO).then(|| wire::DebtRepayment {
        guarantee_owes: guarantee.tokens.get(),
        guarantee_per_minute: guarantee.rate.get(),
        borrowing_owes: borrowing.tokens.get(),
        borrowing_per_minute: borrowing.rate.get(),
        repaid_after: repaid_after.map(duration_to_wire),
    })
}

fn burst_to_wire(record: &BurstRecord) -> wire::ActiveBurst {
    wire::ActiveBurst {
        id: record.burst.id.to_string(),
        extra_per_minute: record.burst.extra.get(),
        end: Some(timestamp_to_wire(record.burst.window.end())),
        best_effort: record.approval() == Some(Approval::BestEffort),
    }
}

fn budget_to_wire(standing: &BudgetStanding) -> wire::BudgetStanding {
    let BudgetStanding { budget, used, period } = standing;
    let currency = match budget.limit {
        BudgetLimit::Tokens(_) => String::new(),
        BudgetLimit::Money(_, currency) => currency.as_str().to_owned(),
    };
    wire::BudgetStanding {
        id: budget.id.to_string(),
        limit: budget.limit.amount(),
        used: *used,
        currency,
        hard: budget.kind == BudgetKind::Hard,
        start: period.map(|period| timestamp_to_wire(period.start())),
        end: period.map(|period| timestamp_to_wire(period.end())),
    }
}

fn prospect_to_wire(Prospect { asked, said }: &Prospect) -> wire::Prospect {
    let sources = said.as_ref().ok().map(|Sources { in_hand, guaranteed, borrowed }| wire::Sources {
        in_hand: in_hand.get(),
        guaranteed: guaranteed.get(),
        borrowed: borrowed.get(),
    });
    let refused = said.as_ref().err().map(|said| refused_to_wire(said));
    wire::Prospect { tokens: asked.tokens.get(), refused, sources }
}
