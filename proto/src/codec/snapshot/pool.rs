//! A pool's ledger: its accounts and slices.

use super::buckets::{levels_from_wire, levels_to_wire, plan_from_wire, plan_to_wire};
use super::policy::{budget_from_wire, budget_to_wire};
use super::values::{
    Holders, holder_to_wire, known, level_from_wire, level_to_wire, parsed, present, timestamp_to_wire,
    window_from_wire,
};
use super::{DecodeError, terms, wire};
use std::collections::HashSet;
use weir_domain::amount::{Money, Tokens};
use weir_domain::budget::BudgetState;
use weir_domain::ids::{PoolId, SliceId};
use weir_domain::ledger::levels::Place;
use weir_domain::ledger::{AccountImage, LedgerImage, Quantity, SliceImage, SliceState, Totals};
use weir_domain::time::Timestamp;

pub(super) fn to_wire(id: &PoolId, ledger: &LedgerImage) -> wire::PoolImage {
    wire::PoolImage {
        terms: Some(terms::to_wire(id, &ledger.terms)),
        opened: ledger.opened,
        levels: Some(levels_to_wire(&ledger.levels)),
        accounts: ledger.accounts.iter().map(account_to_wire).collect(),
        slices: ledger.slices.iter().map(slice_to_wire).collect(),
        last_slice: ledger.last_slice.map(SliceId::as_u64),
        forgotten_slice: ledger.forgotten.map(SliceId::as_u64),
    }
}

pub(super) fn from_wire(wire: &wire::PoolImage) -> Result<(PoolId, LedgerImage), DecodeError> {
    let (id, terms) = terms::from_wire(present(wire.terms.as_ref(), "pools.terms")?)?;
    let levels = levels_from_wire(present(wire.levels.as_ref(), "pools.levels")?)?;
    let accounts = wire.accounts.iter().map(account_from_wire).collect::<Result<Vec<_>, _>>()?;
    if accounts.len() != levels.accounts.len() {
        let problem = format!("are {} for {} guarantees", accounts.len(), levels.accounts.len());
        return Err(DecodeError::field("pools.accounts", problem));
    }
    if accounts.iter().map(|account| &account.service).collect::<HashSet<_>>().len() != accounts.len() {
        return Err(DecodeError::field("pools.accounts.service", "has two accounts"));
    }
    let mut reader = SliceReader { accounts: accounts.len(), holders: Holders::default() };
    let slices = wire.slices.iter().map(|slice| reader.slice(slice)).collect::<Result<_, _>>()?;
    let ledger = LedgerImage {
        terms,
        opened: wire.opened,
        levels,
        accounts,
        slices,
        last_slice: wire.last_slice.map(SliceId::new),
        forgotten: wire.forgotten_slice.map(SliceId::new),
    };
    Ok((id, ledger))
}

fn account_to_wire(account: &AccountImage) -> wire::AccountImage {
    let totals = account.totals;
    wire::AccountImage {
        service: account.service.to_string(),
        borrow_level: level_to_wire(account.borrow_level),
        borrow_at: account.borrow_at.as_nanos(),
        borrow_plan: plan_to_wire(&account.borrow_plan),
        budgets: account.budgets.iter().map(budget_image).collect(),
        outstanding: Some(wire::Outstanding {
            tokens: account.outstanding.tokens.get(),
            money_nano: account.outstanding.money.get(),
        }),
        drawn_total: totals.drawn.get(),
        overdrawn_total: totals.overdrawn.get(),
        settled_total: totals.settled.get(),
        outstanding_total: totals.outstanding.get(),
        returned_total: totals.returned.get(),
        lapsed_total: totals.lapsed.get(),
        forgiven_total: totals.forgiven.get(),
        lapses: account.lapses,
        unborrowed_level: level_to_wire(account.unborrowed_level),
        unborrowed_at: account.unborrowed_at.as_nanos(),
    }
}

fn account_from_wire(wire: &wire::AccountImage) -> Result<AccountImage, DecodeError> {
    let outstanding = present(wire.outstanding.as_ref(), "pools.accounts.outstanding")?;
    Ok(AccountImage {
        service: parsed(&wire.service, "pools.accounts.service")?,
        borrow_level: level_from_wire(&wire.borrow_level, "pools.accounts.borrow_level")?,
        borrow_at: Timestamp::from_nanos(wire.borrow_at),
        borrow_plan: plan_from_wire(&wire.borrow_plan)?,
        unborrowed_level: level_from_wire(&wire.unborrowed_level, "pools.accounts.unborrowed_level")?,
        unborrowed_at: Timestamp::from_nanos(wire.unborrowed_at),
        budgets: wire.budgets.iter().map(budget_state).collect::<Result<_, _>>()?,
        outstanding: quantity(outstanding.tokens, outstanding.money_nano),
        lapses: wire.lapses,
        totals: Totals {
            drawn: Tokens::new(wire.drawn_total),
            overdrawn: Tokens::new(wire.overdrawn_total),
            settled: Tokens::new(wire.settled_total),
            outstanding: Tokens::new(wire.outstanding_total),
            returned: Tokens::new(wire.returned_total),
            lapsed: Tokens::new(wire.lapsed_total),
            forgiven: Tokens::new(wire.forgiven_total),
        },
    })
}

fn budget_image(state: &BudgetState) -> wire::BudgetImage {
    wire::BudgetImage {
        budget: Some(budget_to_wire(&state.budget)),
        start: state.period.map(|period| timestamp_to_wire(period.start())),
        end: state.period.map(|period| timestamp_to_wire(period.end())),
        settled: state.settled,
        told_percent: state.told.iter().map(u32::from).collect(),
        lapses_before: state.lapses_before,
    }
}

fn budget_state(wire: &wire::BudgetImage) -> Result<BudgetState, DecodeError> {
    const EDGES: [&str; 2] = ["pools.accounts.budgets.start", "pools.accounts.budgets.end"];
    let period = (wire.start.is_some() || wire.end.is_some())
        .then(|| window_from_wire(wire.start.as_ref(), wire.end.as_ref(), EDGES));
    let told = |percent: &u32| {
        u8::try_from(*percent)
            .map_err(|_| DecodeError::field("pools.accounts.budgets.told_percent", "is over 255"))
    };
    Ok(BudgetState {
        budget: budget_from_wire(present(wire.budget.as_ref(), "pools.accounts.budgets.budget")?)?,
        period: period.transpose()?,
        settled: wire.settled,
        told: wire.told_percent.iter().map(told).collect::<Result<_, _>>()?,
        lapses_before: wire.lapses_before,
    })
}

fn slice_to_wire(slice: &SliceImage) -> wire::SliceImage {
    let (state, holds) = match slice.state {
        SliceState::Open => (wire::SliceState::Open, 0),
        SliceState::Sealed { holds } => (wire::SliceState::Sealed, holds),
        SliceState::Lapsed => (wire::SliceState::Lapsed, 0),
    };
    wire::SliceImage {
        id: slice.id.as_u64(),
        account: slice.place.get(),
        holder: slice.holder.as_ref().map(holder_to_wire),
        state: state.into(),
        holds,
        tokens: slice.outstanding.tokens.get(),
        money_nano: slice.outstanding.money.get(),
        borrowed: level_to_wire(slice.borrowed),
        unenforced: level_to_wire(slice.unenforced),
        settled: slice.settled.clone(),
        lapse: slice.lapse_number,
    }
}

/// Reads the slices of one pool, in which few nodes hold many.
struct SliceReader<'a> {
    accounts: usize,
    holders: Holders<'a>,
}

impl<'a> SliceReader<'a> {
    fn slice(&mut self, wire: &'a wire::SliceImage) -> Result<SliceImage, DecodeError> {
        let place = Place::new(wire.account);
        if place.index() >= self.accounts {
            let problem = format!("is {}, and there are {} accounts", wire.account, self.accounts);
            return Err(DecodeError::field("pools.slices.account", problem));
        }
        Ok(SliceImage {
            id: SliceId::new(wire.id),
            place,
            holder: self.holders.holder(wire.holder.as_ref())?,
            state: state_from_wire(wire)?,
            outstanding: quantity(wire.tokens, wire.money_nano),
            borrowed: level_from_wire(&wire.borrowed, "pools.slices.borrowed")?,
            unenforced: level_from_wire(&wire.unenforced, "pools.slices.unenforced")?,
            settled: wire.settled.clone(),
            lapse_number: wire.lapse,
        })
    }
}

fn state_from_wire(wire: &wire::SliceImage) -> Result<SliceState, DecodeError> {
    const STATE: &str = "pools.slices.state";
    match known(wire.state, STATE)? {
        wire::SliceState::Unspecified => Err(DecodeError::field(STATE, "missing")),
        wire::SliceState::Open => Ok(SliceState::Open),
        wire::SliceState::Sealed => Ok(SliceState::Sealed { holds: wire.holds }),
        wire::SliceState::Lapsed => Ok(SliceState::Lapsed),
    }
}

fn quantity(tokens: u64, money_nano: u64) -> Quantity {
    Quantity { tokens: Tokens::new(tokens), money: Money::new(money_nano) }
}
