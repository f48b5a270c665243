//! Whether a slice may be drawn, and how large it is.

use crate::amount::{Money, Tokens};
use crate::bucket::Level;
use crate::ids::{ServiceId, SliceId};
use crate::ledger::refusal::Refusal;
use crate::ledger::retry::split;
use crate::ledger::weigh::Weighing;
use crate::ledger::{Draw, Drawn, Ledger, Moved, Movement, Quantity};
use crate::policy::Enforcement;
use crate::time::Timestamp;

/// A slice takes ahead at most this part of what is left of the guarantee, and at most this part of what is left to borrow
/// or of a budget: it shrinks to the exact need near the limit, and parks little of what others could borrow.
const AHEAD_OF_GUARANTEE: u64 = 4;
const AHEAD_OF_BORROWED: u64 = 16;

/// What a draw comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawDecided {
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub service: ServiceId,
    /// The slice.
    pub drawn: Drawn,
    /// The refusal that it would have been, were the allocation not in shadow mode.
    pub shadowed: Option<Refusal>,
}

impl DrawDecided {
    /// As what happens.
    pub fn into_movement(self) -> Movement {
        Movement { at: self.at, service: self.service, what: Moved::Drawn(self.drawn) }
    }
}

/// How much a slice has, and how much of that is not the guarantee's.
#[derive(Clone, Copy)]
struct Parts {
    quantity: Quantity,
    borrowed: Level,
    unenforced: Level,
}

impl Ledger {
    /// Decides a draw at the ledger's time, every due budget period having been opened.
    pub fn draw(&self, draw: &Draw) -> Result<DrawDecided, Refusal> {
        let weighing = self.weighing(&draw.service).ok_or(Refusal::NoAllocation)?;
        match weighing.weigh(draw.need) {
            Ok(()) => Ok(self.decided(draw, weighing.parts(draw), None)),
            Err(refusal) if weighing.terms.enforcement == Enforcement::Enforced => Err(refusal),
            Err(refusal) => {
                // Nothing says how much a node may have ahead that no limit has room for.
                let ahead = if draw.holder.is_none() { draw.ahead } else { Quantity::ZERO };
                let quantity = draw.need.plus(ahead);
                let unenforced = Level::from_tokens(quantity.tokens);
                let parts = Parts { quantity, borrowed: Level::ZERO, unenforced };
                Ok(self.decided(draw, parts, Some(refusal)))
            }
        }
    }

    fn decided(&self, draw: &Draw, parts: Parts, shadowed: Option<Refusal>) -> DrawDecided {
        let Parts { quantity: Quantity { tokens, money }, borrowed, unenforced } = parts;
        let slice = self.next_slice();
        let drawn = Drawn { slice, holder: draw.holder.clone(), tokens, borrowed, unenforced, money };
        DrawDecided { at: self.at(), service: draw.service.clone(), drawn, shadowed }
    }

    fn next_slice(&self) -> SliceId {
        let mut slice = SliceId::after(self.last_slice, self.at());
        while self.slices.contains_key(&slice) {
            slice = SliceId::new(slice.as_u64() + 1);
        }
        slice
    }

    pub(super) fn moved(&self, service: &ServiceId, what: Moved) -> Movement {
        Movement { at: self.at(), service: service.clone(), what }
    }
}

impl Weighing<'_> {
    /// The slice that a draw gets whose need was weighed: with as much ahead as there is plenty of.
    fn parts(&self, draw: &Draw) -> Parts {
        let whole = draw.need.plus(self.ahead(draw));
        let parts = |quantity: Quantity| {
            let need = Level::from_tokens(quantity.tokens);
            let parts = split(&self.ledger.levels, self.place, &self.borrowing(), need).ok()?;
            Some(Parts { quantity, borrowed: parts.borrowed, unenforced: Level::ZERO })
        };
        parts(whole).or_else(|| parts(draw.need)).expect("the need was weighed at this very instant")
    }

    /// How much may be drawn ahead of need: a part of what is left after it.
    fn ahead(&self, draw: &Draw) -> Quantity {
        let ahead = draw.ahead;
        let mut tokens = ahead.tokens.min(self.plenty(draw.need.tokens));
        for budget in self.account.budgets.iter().filter(|budget| budget.refuses()) {
            let room =
                budget.room(self.account.outstanding_unlapsed()).saturating_sub(budget.part(draw.need));
            let (room, whole) = (room / AHEAD_OF_BORROWED, budget.part(ahead));
            if whole > room {
                tokens = tokens.min(Tokens::new(share(ahead.tokens.get(), room, whole)));
            }
        }
        let money = share(ahead.money.get(), tokens.get(), ahead.tokens.get());
        Quantity { tokens, money: Money::new(money) }
    }

    /// What may be drawn beyond a need. Where nobody needs anything nothing is borrowed: what others were told of the time
    /// when they can borrow stays true.
    fn plenty(&self, need: Tokens) -> Tokens {
        let amount = Level::from_tokens(need);
        let guarantee = self.ledger.levels.guarantee(self.place).max(Level::ZERO);
        let plenty = if guarantee > amount {
            guarantee.minus(amount).available().get() / AHEAD_OF_GUARANTEE
        } else if need == Tokens::ZERO {
            0
        } else {
            let left = self.borrowable().minus(amount.minus(guarantee)).max(Level::ZERO);
            left.available().get() / AHEAD_OF_BORROWED
        };
        Tokens::new(plenty)
    }
}

/// `amount × part / whole`, rounded down; nothing of nothing.
fn share(amount: u64, part: u64, whole: u64) -> u64 {
    let product = u128::from(amount) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(product).unwrap_or(u64::MAX)
}
