//! A batch as it was sent, checked: everything in it is understood before anything of it is decided.

use tonic::Status;
use weir_domain::amount::{Money, Tokens};
use weir_domain::desk::{Release, Reserve};
use weir_domain::ids::{HoldId, ServiceId, SliceId};
use weir_domain::ledger::{Quantity, Seal, Settle};
use weir_domain::price_book::{Intended, Made};
use weir_proto::quota::v1 as wire;

use super::super::admission::Admission;
use super::super::input::{self, hold_bytes, invalid, reservation_bytes};
use super::BATCH_ITEMS_MAX;
use super::accounts::{Account, Accounts};

/// Something that is asked of a pool, by the pool's place among the session's.
pub(super) struct OfPool<T> {
    pub(super) pool: usize,
    pub(super) what: T,
}

/// A slice that a node asks for.
pub(super) struct Ask {
    pub(super) what: Reserve,
    pub(super) ahead: Quantity,
    /// Returned first.
    pub(super) instead_of: Option<Seal>,
}

/// A batch that was understood.
pub(super) struct Batch {
    pub(super) reserve: Vec<OfPool<Reserve>>,
    pub(super) settle: Vec<OfPool<Settle>>,
    pub(super) extend: Vec<OfPool<(HoldId, ServiceId)>>,
    pub(super) draw: Vec<OfPool<Ask>>,
    pub(super) returns: Vec<OfPool<Seal>>,
    pub(super) release: Vec<OfPool<(Release, ServiceId)>>,
}

impl Batch {
    /// How many items it has.
    pub(super) const fn len(&self) -> usize {
        let given = self.settle.len() + self.release.len() + self.returns.len();
        given + self.extend.len() + self.reserve.len() + self.draw.len()
    }

    /// The pools that it concerns.
    pub(super) fn pools(&self) -> Vec<usize> {
        let mut pools = Vec::new();
        let reserve = self.reserve.iter().map(|item| item.pool);
        let settle = self.settle.iter().map(|item| item.pool);
        let extend = self.extend.iter().map(|item| item.pool);
        let draw = self.draw.iter().map(|item| item.pool);
        let returns = self.returns.iter().map(|item| item.pool);
        let release = self.release.iter().map(|item| item.pool);
        for pool in reserve.chain(settle).chain(extend).chain(draw).chain(returns).chain(release) {
            if pools.last() != Some(&pool) && !pools.contains(&pool) {
                pools.push(pool);
            }
        }
        pools
    }
}

/// Understands batches: knows the session's accounts, and what calls cost.
pub(super) struct Check<'a> {
    pub(super) accounts: &'a Accounts,
    pub(super) admission: &'a Admission,
}

impl Check<'_> {
    /// A batch, or which field of it is wrong.
    pub(super) fn batch(&self, batch: &wire::SessionBatch) -> Result<Batch, Status> {
        let wire::SessionBatch { reserve, settle, extend, draw, r#return: returns, release, .. } = batch;
        let count = reserve.len() + settle.len() + extend.len() + draw.len() + returns.len() + release.len();
        if count > BATCH_ITEMS_MAX {
            return Err(invalid("batch", format!("has {count} items; {BATCH_ITEMS_MAX} is the most")));
        }
        Ok(Batch {
            reserve: each(reserve, "reserve", |item| self.reserve(item))?,
            settle: each(settle, "settle", |item| self.settle(item))?,
            extend: each(extend, "extend", |item| self.extend(item))?,
            draw: each(draw, "draw", |item| self.draw(item))?,
            returns: each(returns, "return", |item| self.returned(item))?,
            release: each(release, "release", |item| self.release(item))?,
        })
    }

    fn reserve(&self, item: &wire::SessionReserve) -> Result<OfPool<Reserve>, Wrong> {
        let account = self.account(item.account)?;
        let reservation = reservation_bytes(&item.reservation_id, "reservation_id")?;
        let tokens = input::tokens(item.tokens, "tokens")?;
        let call = Intended { model: &item.model, tokens, input: Tokens::new(item.input) };
        let need = Quantity { tokens, money: self.at_most(account, call) };
        Ok(account.ask(Reserve { reservation, service: account.service.clone(), need }))
    }

    fn settle(&self, item: &wire::SessionSettle) -> Result<OfPool<Settle>, Wrong> {
        let account = self.account(item.account)?;
        let hold = hold_bytes(&item.hold_id, "hold_id")?;
        let tokens = input::tokens(item.used, "used")?;
        let (input, input_cached) = (Tokens::new(item.input), Tokens::new(item.input_cached));
        let made = Made { model: &item.model, tokens, input, input_cached };
        let pool = self.accounts.pools[account.pool].handle.pool();
        let money = if account.priced { self.admission.cost(pool, made) } else { Money::ZERO };
        Ok(account.ask(Settle { hold, service: account.service.clone(), used: Quantity { tokens, money } }))
    }

    fn extend(&self, item: &wire::Outstanding) -> Result<OfPool<(HoldId, ServiceId)>, Wrong> {
        let account = self.account(item.account)?;
        Ok(account.ask((hold_bytes(&item.hold_id, "hold_id")?, account.service.clone())))
    }

    fn draw(&self, item: &wire::SessionDraw) -> Result<OfPool<Ask>, Wrong> {
        let account = self.account(item.account)?;
        let reservation = reservation_bytes(&item.reservation_id, "reservation_id")?;
        let need = self.slice_of(account, item.need, "need")?;
        let ahead = self.slice_of(account, item.ahead, "ahead")?;
        let instead_of = item.instead_of.as_ref().map(|item| self.returned(item)).transpose()?;
        if instead_of.as_ref().is_some_and(|seal| seal.pool != account.pool) {
            return Err(invalid("instead_of.account", "is in another pool").into());
        }
        let instead_of = instead_of.map(|seal| seal.what);
        Ok(account.ask(Ask {
            what: Reserve { reservation, service: account.service.clone(), need },
            ahead,
            instead_of,
        }))
    }

    fn returned(&self, item: &wire::SessionReturn) -> Result<OfPool<Seal>, Wrong> {
        let account = self.account(item.account)?;
        let free = Quantity { tokens: input::tokens(item.free, "free")?, money: Money::ZERO };
        Ok(account.ask(Seal { slice: SliceId::new(item.slice), free, holds: item.holds }))
    }

    fn release(&self, item: &wire::SessionRelease) -> Result<OfPool<(Release, ServiceId)>, Wrong> {
        let account = self.account(item.account)?;
        let reservation = reservation_bytes(&item.reservation_id, "reservation_id")?;
        Ok(account.ask((Release::Reservation(reservation), account.service.clone())))
    }

    /// Tokens of a slice, of which nobody knows what they will be used for.
    fn slice_of(&self, account: &Account, tokens: u64, field: &str) -> Result<Quantity, Wrong> {
        let tokens = input::tokens(tokens, field)?;
        let call = Intended { model: "", tokens, input: Tokens::ZERO };
        Ok(Quantity { tokens, money: self.at_most(account, call) })
    }

    fn at_most(&self, account: &Account, call: Intended<'_>) -> Money {
        let pool = self.accounts.pools[account.pool].handle.pool();
        if account.priced { self.admission.at_most(pool, call) } else { Money::ZERO }
    }

    fn account(&self, number: u32) -> Result<&Account, Wrong> {
        let unknown = || invalid("account", format!("account {number} is not named; name it in accounts"));
        self.accounts.get(number).ok_or_else(|| unknown().into())
    }
}

impl Account {
    fn ask<T>(&self, what: T) -> OfPool<T> {
        OfPool { pool: self.pool, what }
    }
}

/// What is wrong with an item. A status is large, and rare here.
struct Wrong(Box<Status>);

impl From<Status> for Wrong {
    fn from(status: Status) -> Self {
        Self(Box::new(status))
    }
}

fn each<T, U>(
    items: &[T],
    list: &str,
    understand: impl Fn(&T) -> Result<U, Wrong>,
) -> Result<Vec<U>, Status> {
    let mut understood = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match understand(item) {
            Ok(item) => understood.push(item),
            Err(Wrong(status)) => {
                return Err(invalid(&format!("batch.{list}[{index}]"), status.message()));
            }
        }
    }
    Ok(understood)
}
