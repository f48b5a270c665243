//! `weir headroom`: what a service could use now, why not more, and what changes next.
//!
//! Shows what the quota service says. Why something is refused is always its own sentence.

use std::time::Duration;

use weir_domain::amount::{Decimal, Money};
use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::time::Timestamp;
use weir_proto::codec;
use weir_proto::quota::v1::refused::Retry;
use weir_proto::quota::v1::{
    ActiveBurst, BudgetStanding, GetHeadroomRequest, Headroom, NoRetry, Prospect, Standing,
};
use weir_runtime::clock::{Clock, SystemClock};

use crate::cli::{HeadroomAsked, OutputFormat};
use crate::config::Config;
use crate::instant::{Span, shown_from};
use crate::output::{bar, grouped};
use crate::{client, output};

mod json;
mod owed;

/// What is full again sooner is as good as full.
const SOON: Duration = Duration::from_millis(100);

pub(crate) async fn run(config: &Config, asked: HeadroomAsked) -> anyhow::Result<()> {
    let HeadroomAsked { service, pool, tokens, format } = asked;
    let mut quota = client::connect(config).await?;
    let request = GetHeadroomRequest {
        service: service.to_string(),
        pool: pool.as_ref().map_or_else(String::new, PoolId::to_string),
        tokens: tokens.map_or(0, |tokens| tokens.0),
    };
    let reply = quota.admission.get_headroom(request).await.map_err(|status| client::said(&status))?;
    let allocations = reply.into_inner().allocations;
    if allocations.is_empty() {
        let place = pool.map_or_else(String::new, |pool| format!(" in pool {pool}"));
        anyhow::bail!(
            "service {service} has no allocation{place}; see your policy folder, then `weir apply`"
        );
    }
    if format == OutputFormat::Json {
        output::line(&json::text(&service, &allocations));
        return Ok(());
    }
    let now = SystemClock.now();
    let texts: Vec<_> = allocations.iter().map(|allocation| text(&service, allocation, now)).collect();
    output::line(&texts.join("\n\n"));
    Ok(())
}

/// One allocation, explained.
fn text(service: &ServiceId, headroom: &Headroom, now: Timestamp) -> String {
    let mut sheet = Sheet(vec![format!("{service} in pool {}", headroom.pool)]);
    if !headroom.summary.is_empty() {
        sheet.sentence(&output::with_marks(&headroom.summary));
    }
    tokens(&mut sheet, headroom);
    requests(&mut sheet, headroom);
    for budget in &headroom.budgets {
        sheet.line(&format!("budget {}", budget.id), &budget_text(budget, now));
    }
    sheet.line("held", &held(headroom));
    sheet.line("settled so far", &format!("{} tokens", grouped(headroom.settled_total)));
    sheet.line("quota is away", &outage(headroom.open_tokens_per_outage));
    if headroom.shadow {
        sheet.line("shadow mode", "refusals are recorded and not enforced");
    }
    for burst in &headroom.bursts {
        sheet.sentence(&burst_text(burst, now));
    }
    if let Some(next) = &headroom.next_change {
        let at = codec::timestamp_from_wire(next.at.as_ref(), "at");
        let at = at.map_or_else(|_| "soon".to_owned(), |at| shown_from(at, now));
        sheet.line("next change", &format!("{}, {at}", next.what));
    }
    for change in &headroom.coming {
        let at = codec::timestamp_from_wire(change.at.as_ref(), "at");
        let at = at.map_or_else(|_| "soon".to_owned(), |at| shown_from(at, now));
        sheet.line("coming", &format!("{at}: {}", output::with_marks(&change.what)));
    }
    if let Some(prospect) = &headroom.prospect {
        sheet.sentence(&prospect_text(prospect, headroom));
    }
    sheet.0.join("\n")
}

/// Lines with their names in a column.
struct Sheet(Vec<String>);

impl Sheet {
    fn line(&mut self, name: &str, text: &str) {
        self.0.push(output::wrapped(&format!("  {name:15} {text}"), 18));
    }

    fn sentence(&mut self, text: &str) {
        self.0.push(output::wrapped(&format!("  {text}"), 4));
    }
}

fn tokens(sheet: &mut Sheet, headroom: &Headroom) {
    let standing = headroom.standing.unwrap_or_default();
    sheet.line("available now", &available(headroom, &standing));
    sheet.line("guaranteed", &guaranteed(headroom, &standing));
    sheet.line("to borrow", &borrowing(headroom, standing.borrowable));
    let (now, most) = (grouped(headroom.lent_per_minute), grouped(headroom.lending_per_minute));
    sheet.line(
        "lending",
        &format!("others may borrow {now} tokens a minute of its guarantee now, {most} at most"),
    );
    sheet.line("the pool", &pool(headroom));
    if let Some(repayment) = &headroom.repayment {
        sheet.line("debt", &owed::debt(headroom.debt, repayment, &standing));
    }
}

/// A sum that can be checked: `7 000 tokens = 1 000 guaranteed + 6 000 to borrow`, or the budget that leaves less.
fn available(headroom: &Headroom, standing: &Standing) -> String {
    let (guaranteed, borrowable) = (headroom.guaranteed, standing.borrowable);
    let (available, parts) = (grouped(standing.available), [guaranteed, borrowable].map(grouped));
    let sum = format!("{} guaranteed + {} to borrow", parts[0], parts[1]);
    match headroom.binding_budget.as_str() {
        "" => format!("{available} tokens = {sum}"),
        budget => {
            let both = grouped(guaranteed.saturating_add(borrowable));
            format!("{available} tokens: budget {budget} leaves no more (binds); without it {both} = {sum}")
        }
    }
}

fn guaranteed(headroom: &Headroom, standing: &Standing) -> String {
    let in_bucket = headroom.guaranteed.saturating_sub(headroom.in_hand).min(standing.depth);
    let in_use = used(standing.depth - in_bucket, standing.depth);
    let ahead = match headroom.in_hand {
        0 => String::new(),
        tokens => format!(", and {} drawn ahead of need", grouped(tokens)),
    };
    let (rate, baseline) = (grouped(standing.rate_per_minute), grouped(headroom.baseline_per_minute));
    let bursts = match headroom.guaranteed_bursts_per_minute {
        0 => String::new(),
        bursts => format!(" + {} of bursts", grouped(bursts)),
    };
    let full = standing.full_after.as_ref().map(codec::duration_from_wire).filter(|after| *after >= SOON);
    let full = full.map_or_else(String::new, |after| format!(", full again in {}", Span(after)));
    let tokens = grouped(headroom.guaranteed);
    format!(
        "{tokens} tokens: {in_use} used{ahead}; refills {rate} a minute (baseline {baseline}{bursts}){full}"
    )
}

fn borrowing(headroom: &Headroom, borrowable: u64) -> String {
    let (ceiling, borrowed) = (headroom.ceiling_per_minute, headroom.borrowed);
    let guarantee = headroom.standing.unwrap_or_default().rate_per_minute;
    if ceiling <= guarantee && borrowable == 0 && borrowed == 0 {
        return "not allowed: its ceiling is its guarantee".to_owned();
    }
    let (own, others) = (headroom.ceiling_leaves, headroom.others_leave);
    let binds = |does: bool| if does { " (binds)" } else { "" };
    let kept = match headroom.threshold {
        0 => String::new(),
        kept => format!(" besides {} kept for higher priorities", grouped(kept)),
    };
    let bursts = headroom.guaranteed_bursts_per_minute.saturating_add(headroom.best_effort_bursts_per_minute);
    let within = if bursts > 0 { format!(" ({} of them by bursts)", grouped(bursts)) } else { String::new() };
    format!(
        "{} tokens: its ceiling of {} a minute{within} leaves {}{}, others leave {}{}{kept}; {} are borrowed and not repaid",
        grouped(borrowable),
        grouped(ceiling),
        grouped(own),
        binds(own <= others),
        grouped(others),
        binds(others < own),
        grouped(borrowed)
    )
}

fn pool(headroom: &Headroom) -> String {
    let (level, depth) = (headroom.pool_level, headroom.pool_depth);
    let deficit = match headroom.pool_deficit {
        0 => String::new(),
        deficit => format!("; {} short of its guarantees, so nobody borrows", grouped(deficit)),
    };
    let used = used(depth.saturating_sub(level), depth);
    format!("{used} tokens used; refills {} a minute{deficit}", grouped(headroom.pool_capacity_per_minute))
}

fn requests(sheet: &mut Sheet, headroom: &Headroom) {
    sheet.line("largest request", &format!("{} tokens", grouped(headroom.request_max)));
    if let Some(limit) = headroom.requests_per_minute {
        let available = grouped(headroom.requests_available.unwrap_or_default());
        sheet.line("requests", &format!("{available} could be made at once; {} a minute", grouped(limit)));
    }
    if let Some(max) = headroom.in_flight_max {
        sheet.line("in flight", &format!("{} requests under way", used(headroom.holds, max.into())));
    }
}

/// A small bar, and both numbers: `███░░░░░░░ 3 of 10`.
fn used(used: u64, limit: u64) -> String {
    format!("{} {} of {}", bar(used, limit), grouped(used), grouped(limit))
}

fn budget_text(budget: &BudgetStanding, now: Timestamp) -> String {
    let amount = |amount: u64| match budget.currency.as_str() {
        "" => grouped(amount),
        _ => output::money(&Decimal(Money::new(amount)).to_string()),
    };
    let unit = if budget.currency.is_empty() { "tokens" } else { &budget.currency };
    let kind =
        if budget.hard { "hard: refuses when it is used up" } else { "soft: warns and does not refuse" };
    let end = codec::timestamp_from_wire(budget.end.as_ref(), "end").ok();
    let until = end.map_or_else(String::new, |end| format!("; begins anew {}", shown_from(end, now)));
    let percent = u128::from(budget.used) * 100 / u128::from(budget.limit.max(1));
    let (bar, used, limit) = (bar(budget.used, budget.limit), amount(budget.used), amount(budget.limit));
    format!("{bar} {used} of {limit} {unit} ({percent} %), {kind}{until}")
}

/// What is drawn and neither settled nor at hand for the next requests.
fn held(headroom: &Headroom) -> String {
    let held = grouped(headroom.held.saturating_sub(headroom.in_hand));
    match headroom.holds {
        0 if held == "0" => "nothing".to_owned(),
        0 => format!(
            "{held} tokens, by no request under way: not settled yet, or left by a crash and counted as spent"
        ),
        1 => format!("{held} tokens, by 1 request under way"),
        holds => format!("{held} tokens, by {} requests under way", grouped(holds)),
    }
}

fn outage(open_tokens: u64) -> String {
    match open_tokens {
        0 => "each gateway refuses".to_owned(),
        bound => format!("each gateway admits at most {} tokens in one outage", grouped(bound)),
    }
}

fn burst_text(burst: &ActiveBurst, now: Timestamp) -> String {
    let end = codec::timestamp_from_wire(burst.end.as_ref(), "end");
    let end = end.map_or_else(|_| "?".to_owned(), |end| shown_from(end, now));
    let extra = grouped(burst.extra_per_minute);
    let what = if burst.best_effort { "to what may be borrowed, best effort," } else { "" };
    let space = if what.is_empty() { "" } else { " " };
    format!("burst {} adds {extra} tokens a minute{space}{what} until {end}", burst.id)
}

fn prospect_text(prospect: &Prospect, headroom: &Headroom) -> String {
    let asked = grouped(prospect.tokens);
    let Some(refused) = &prospect.refused else {
        let sources = prospect.sources.unwrap_or_default();
        return format!(
            "a request of {asked} tokens would pass now{}",
            owed::sources(&sources, headroom.debt)
        );
    };
    let never = refused.retry == Some(Retry::NoRetry(NoRetry::Never.into()));
    let when = match (headroom.shadow, never) {
        (true, _) => "would pass in shadow mode only",
        (false, true) => "cannot pass as things stand",
        (false, false) => "would be refused now",
    };
    format!("a request of {asked} tokens {when}: {}", output::with_marks(&refused.message))
}

#[cfg(test)]
mod tests;
