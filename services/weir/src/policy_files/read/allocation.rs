//! `allocation` and `budget`: what a service is entitled to in a pool.

use weir_domain::amount::{RequestsPerMinute, Tokens, TokensPerMinute};
use weir_domain::budget::{Budget, BudgetKind, BudgetLimit};
use weir_domain::calendar::{Period, Zone};
use weir_domain::ids::{BudgetId, PoolId};
use weir_domain::policy::{Allocation, Enforcement, FailureMode, Priority, Terms};

use crate::policy_files::block::Block;
use crate::policy_files::values;

/// At which percentages of a budget's use somebody is told, if it does not say.
pub(in crate::policy_files) const THRESHOLDS: [u8; 3] = [50, 80, 100];
/// What a gateway does while quota is away, if it is to refuse.
pub(in crate::policy_files) const REFUSE: &str = "refuse";

pub(super) fn allocation(mut block: Block<'_>, priority: Priority) -> Allocation {
    let within = block.place().to_owned();
    let pool = block.called("pool", |pool: &PoolId| format!("{within} in pool {pool}"));
    block.stands_here();
    let baseline = TokensPerMinute::new(block.required("baseline", values::count).unwrap_or_default());
    let shadow = block.optional("shadow", values::flag).unwrap_or_default();
    let terms = Terms {
        baseline,
        ceiling: block.optional("ceiling", values::count).map_or(baseline, TokensPerMinute::new),
        lending: block.optional("lending", values::count).map(TokensPerMinute::new),
        request_max: Tokens::new(block.required("request_max", values::count).unwrap_or_default()),
        requests: block.optional("requests_per_minute", values::count).map(RequestsPerMinute::new),
        in_flight_max: block.optional("in_flight_max", values::small),
        priority,
        failure: failure(&mut block),
        enforcement: if shadow { Enforcement::Shadow } else { Enforcement::Enforced },
        budgets: block.blocks("budget").into_iter().filter_map(budget).collect(),
        lapse: None,
    };
    block.finish();
    Allocation { pool: pool.unwrap_or_else(values::stand_in), terms }
}

/// `when_quota_is_away = "refuse"`, or `{ admit_tokens = 50_000 }`.
fn failure(block: &mut Block<'_>) -> FailureMode {
    const FIELD: &str = "when_quota_is_away";
    let Some(value) = block.value(FIELD) else { return FailureMode::Closed };
    if value.get_ref().as_str() == Some(REFUSE) {
        return FailureMode::Closed;
    }
    if !value.get_ref().is_table() {
        block.wrong_field(
            FIELD,
            &format!("{FIELD} is neither \"{REFUSE}\" nor {{ admit_tokens = 50_000 }}; write one of them"),
        );
        return FailureMode::Closed;
    }
    let Some(mut open) = block.block(FIELD) else { return FailureMode::Closed };
    let tokens = open.required("admit_tokens", values::count);
    open.finish();
    tokens.map_or(FailureMode::Closed, |tokens| FailureMode::Open { tokens_per_outage: Tokens::new(tokens) })
}

fn budget(mut block: Block<'_>) -> Option<Budget> {
    let within = block.place().to_owned();
    let id = block.called("name", |id: &BudgetId| format!("{within} {id}"));
    block.stands_here();
    let limit = limit(&mut block);
    let period = block.required("per", values::choice(&Period::ALL, Period::as_str));
    let zone = block.optional("zone", values::zone).unwrap_or(Zone::UTC);
    let kind = block.optional("kind", values::choice(&[BudgetKind::Hard, BudgetKind::Soft], kind_name));
    let thresholds = block.optional("thresholds", values::list(values::budget_percent));
    block.finish();
    Some(Budget {
        id: id?,
        limit: limit?,
        period: period.unwrap_or(Period::Month),
        zone,
        kind: kind.unwrap_or_default(),
        thresholds: thresholds.unwrap_or_else(|| THRESHOLDS.to_vec()),
    })
}

/// `tokens = 1_000_000`, or `money = "250.00"` with `currency = "USD"`.
fn limit(block: &mut Block<'_>) -> Option<BudgetLimit> {
    let tokens =
        block.optional("tokens", values::count).map(|tokens| BudgetLimit::Tokens(Tokens::new(tokens)));
    let money = block.optional("money", values::money);
    let currency = block.optional("currency", values::currency);
    match (block.has("tokens"), block.has("money"), block.has("currency")) {
        (true, false, false) => tokens,
        (false, true, true) => Some(BudgetLimit::Money(money?, currency?)),
        (true, _, _) => {
            block.wrong("is in tokens and in money; make two budgets of it");
            None
        }
        (false, true, false) => {
            block.wrong("states money without its currency; state it, such as currency = \"USD\"");
            None
        }
        (false, false, _) => {
            block.wrong(
                "states no limit; state tokens = 1_000_000, or money = \"250.00\" and currency = \"USD\"",
            );
            None
        }
    }
}

/// A budget's kind as it is named in files.
pub(in crate::policy_files) const fn kind_name(kind: BudgetKind) -> &'static str {
    match kind {
        BudgetKind::Hard => "hard",
        BudgetKind::Soft => "soft",
    }
}
