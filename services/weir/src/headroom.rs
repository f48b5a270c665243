//! `weir headroom`: what a service could use now, why not more, and what changes next.
//!
//! Shows what the quota service says. Why something is refused is always its own sentence.

use weir_domain::amount::{Decimal, Money};
use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::time::Timestamp;
use weir_proto::codec;
use weir_proto::quota::v1::{ActiveBurst, BudgetStanding, GetHeadroomRequest, Headroom, Prospect};
use weir_runtime::clock::{Clock, SystemClock};

use crate::config::Config;
use crate::instant::{Span, shown_from};
use crate::output::{bar, grouped};
use crate::{client, output};

pub(crate) async fn run(
    config: &Config,
    service: ServiceId,
    pool: Option<PoolId>,
    tokens: Option<u64>,
) -> anyhow::Result<()> {
    let mut quota = client::connect(config).await?;
    let request = GetHeadroomRequest {
        service: service.to_string(),
        pool: pool.as_ref().map_or_else(String::new, PoolId::to_string),
        tokens: tokens.unwrap_or_default(),
    };
    let reply = quota.admission.get_headroom(request).await.map_err(|status| client::said(&status))?;
    let allocations = reply.into_inner().allocations;
    if allocations.is_empty() {
        let place = pool.map_or_else(String::new, |pool| format!(" in pool {pool}"));
        anyhow::bail!(
            "service {service} has no allocation{place}; see your policy folder, then `weir apply`"
        );
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
        sheet.sentence(&headroom.summary);
    }
    tokens(&mut sheet, headroom);
    requests(&mut sheet, headroom);
    for budget in &headroom.budgets {
        sheet.line(&format!("budget {}", budget.id), &budget_text(budget, now));
    }
    let requests = if headroom.holds == 1 { "request" } else { "requests" };
    let (held, holds) = (grouped(headroom.held), grouped(headroom.holds));
    sheet.line("held", &format!("{held} tokens by {holds} {requests}"));
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
        sheet.line("coming", &format!("{at}: {}", change.what));
    }
    if let Some(prospect) = &headroom.prospect {
        sheet.sentence(&prospect_text(prospect));
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
    sheet.line("available now", &format!("{} tokens", grouped(standing.available)));
    let left = standing.available.saturating_sub(standing.borrowable).min(standing.depth);
    let (rate, baseline) = (grouped(standing.rate_per_minute), grouped(headroom.baseline_per_minute));
    let full = standing.full_after.as_ref().map(codec::duration_from_wire).filter(|after| !after.is_zero());
    let full = full.map_or_else(String::new, |after| format!(", full again in {}", Span(after)));
    let guarantee = used(standing.depth - left, standing.depth);
    sheet.line(
        "guarantee",
        &format!("{guarantee} tokens used; refills {rate} a minute (baseline {baseline}){full}"),
    );
    sheet.line("borrowing", &borrowing(headroom, standing.borrowable));
    let lendable = match headroom.lending_per_minute {
        None => "all of the guarantee".to_owned(),
        Some(lending) => format!("up to {} a minute", grouped(lending)),
    };
    sheet.line(
        "lending",
        &format!(
            "others may borrow {} a minute now; {lendable} may be lent",
            grouped(headroom.lent_per_minute)
        ),
    );
    sheet.line("the pool", &pool(headroom));
    if headroom.debt > 0 {
        sheet.line(
            "debt",
            &format!("{} tokens used above what was held, repaid by the next refill", grouped(headroom.debt)),
        );
    }
}

fn borrowing(headroom: &Headroom, borrowable: u64) -> String {
    let (ceiling, borrowed) = (headroom.ceiling_per_minute, grouped(headroom.borrowed));
    if ceiling <= headroom.baseline_per_minute && borrowable == 0 && headroom.borrowed == 0 {
        return "not allowed: its ceiling is its baseline".to_owned();
    }
    let kept = match headroom.threshold {
        0 => String::new(),
        kept => format!("; {} are kept for higher priorities", grouped(kept)),
    };
    format!(
        "{} tokens could be borrowed, {borrowed} are; ceiling {} a minute{kept}",
        grouped(borrowable),
        grouped(ceiling)
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
        _ => Decimal(Money::new(amount)).to_string(),
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

fn prospect_text(prospect: &Prospect) -> String {
    let asked = grouped(prospect.tokens);
    let Some(refused) = &prospect.refused else {
        return format!("a request of {asked} tokens would pass now");
    };
    format!("a request of {asked} tokens would be refused now: {}", refused.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_proto::quota::v1::{NextChange, Refused, Standing};

    fn sample() -> Headroom {
        let at = |secs| Some(codec::timestamp_to_wire(Timestamp::from_secs(secs)));
        Headroom {
            pool: "gpt".to_owned(),
            summary: "the guarantee is used up, and others leave 100 to borrow".to_owned(),
            standing: Some(Standing {
                rate_per_minute: 90_000,
                available: 3_100,
                depth: 15_000,
                borrowable: 100,
                full_after: None,
            }),
            baseline_per_minute: 60_000,
            ceiling_per_minute: 120_000,
            lending_per_minute: Some(10_000),
            lent_per_minute: 4_000,
            borrowed: 2_000,
            threshold: 700,
            request_max: 20_000,
            pool_level: 40_000,
            pool_depth: 400_000,
            pool_capacity_per_minute: 400_000,
            pool_deficit: 50,
            requests_per_minute: Some(60),
            requests_available: Some(7),
            in_flight_max: Some(10),
            holds: 3,
            held: 999,
            open_tokens_per_outage: 50_000,
            shadow: true,
            budgets: vec![BudgetStanding {
                id: "month".to_owned(),
                limit: 250_000_000_000,
                used: 152_500_000_000,
                currency: "USD".to_owned(),
                hard: true,
                start: at(0),
                end: at(86_400),
            }],
            bursts: vec![ActiveBurst {
                id: "launch".to_owned(),
                extra_per_minute: 30_000,
                end: at(60),
                best_effort: false,
            }],
            next_change: Some(NextChange { at: at(60), what: "burst launch ends".to_owned() }),
            coming: vec![NextChange { at: at(3_600), what: "burst fair begins: 10 more".to_owned() }],
            prospect: Some(Prospect {
                tokens: 5_000,
                refused: Some(Refused { message: "it passes in 2.000 s".to_owned(), ..Refused::default() }),
            }),
            ..Headroom::default()
        }
    }

    /// However it is broken into lines.
    fn in_one_line(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn everything_that_limits_is_shown_with_how_far_it_is_used() {
        let text = text(&ServiceId::try_new("chat").unwrap(), &sample(), Timestamp::EPOCH);
        for part in [
            "chat in pool gpt\n  the guarantee is used up, and others leave 100 to borrow\n",
            "guarantee       ████████░░ 12 000 of 15 000 tokens used; refills 90 000 a minute (baseline 60 000)",
            "borrowing       100 tokens could be borrowed, 2 000 are; ceiling 120 000 a minute; 700 are kept for higher priorities",
            "lending         others may borrow 4 000 a minute now; up to 10 000 a minute may be lent",
            "the pool        █████████░ 360 000 of 400 000 tokens used; refills 400 000 a minute; 50 short of its guarantees",
            "requests        7 could be made at once; 60 a minute",
            "in flight       ███░░░░░░░ 3 of 10 requests under way",
            "budget month    ██████░░░░ 152.50 of 250.00 USD (61 %), hard: refuses when it is used up; begins anew 1970-01-02",
            "quota is away   each gateway admits at most 50 000 tokens in one outage",
            "burst launch adds 30 000 tokens a minute until 1970-01-01T00:01:00Z (in 1 min 0 s)",
            "next change     burst launch ends, 1970-01-01T00:01:00Z",
            "a request of 5 000 tokens would be refused now: it passes in 2.000 s",
        ] {
            assert!(in_one_line(&text).contains(&in_one_line(part)), "{part:?} is not in\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }

    #[test]
    fn what_does_not_limit_is_not_shown() {
        let plain = Headroom {
            pool: "gpt".to_owned(),
            baseline_per_minute: 10,
            ceiling_per_minute: 10,
            ..Headroom::default()
        };
        let text = text(&ServiceId::try_new("chat").unwrap(), &plain, Timestamp::EPOCH);
        assert!(
            text.contains("borrowing       not allowed") && text.contains("each gateway refuses"),
            "{text}"
        );
        for absent in ["budget", "in flight", "requests  ", "debt", "shadow", "next change", "would"] {
            assert!(!text.contains(absent), "{absent} is in\n{text}");
        }
    }
}
