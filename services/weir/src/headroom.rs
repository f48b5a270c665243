//! `weir headroom`: what a service could use now, why not more, and what changes next.
//!
//! Shows what the quota service says. Why something is refused is always its own sentence.

use weir_domain::amount::{Decimal, Money};
use weir_domain::ids::{PoolId, ServiceId};
use weir_domain::time::Timestamp;
use weir_proto::codec;
use weir_proto::quota::v1::{ActiveBurst, BudgetStanding, GetHeadroomRequest, Headroom, Prospect, Standing};
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
    sheet.line("available now", &available(headroom, &standing));
    sheet.line("guaranteed", &guaranteed(headroom, &standing));
    sheet.line("to borrow", &borrowing(headroom, standing.borrowable));
    let (now, baseline) = (grouped(headroom.lent_per_minute), headroom.baseline_per_minute);
    let most = grouped(headroom.lending_per_minute.unwrap_or(baseline).min(baseline));
    sheet.line(
        "lending",
        &format!("others may borrow {now} tokens a minute of its guarantee now, {most} at most"),
    );
    sheet.line("the pool", &pool(headroom));
    if headroom.debt > 0 {
        sheet.line(
            "debt",
            &format!("{} tokens used above what was held, repaid by the next refill", grouped(headroom.debt)),
        );
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
            format!("{available} tokens, which budget {budget} leaves (binds) of {both} = {sum}")
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
    let full = standing.full_after.as_ref().map(codec::duration_from_wire).filter(|after| !after.is_zero());
    let full = full.map_or_else(String::new, |after| format!(", full again in {}", Span(after)));
    let tokens = grouped(headroom.guaranteed);
    format!("{tokens} tokens: {in_use} used{ahead}; refills {rate} a minute (baseline {baseline}){full}")
}

fn borrowing(headroom: &Headroom, borrowable: u64) -> String {
    let (ceiling, borrowed) = (headroom.ceiling_per_minute, headroom.borrowed);
    if ceiling <= headroom.baseline_per_minute && borrowable == 0 && borrowed == 0 {
        return "not allowed: its ceiling is its baseline".to_owned();
    }
    let (own, others) = (headroom.ceiling_leaves, headroom.others_leave);
    let binds = |does: bool| if does { " (binds)" } else { "" };
    let kept = match headroom.threshold {
        0 => String::new(),
        kept => format!(" besides {} kept for higher priorities", grouped(kept)),
    };
    format!(
        "{} tokens: its ceiling of {} a minute leaves {}{}, others leave {}{}{kept}; {} are borrowed and not repaid",
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
        0 => format!("{held} tokens, by no request under way"),
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

fn prospect_text(prospect: &Prospect) -> String {
    let asked = grouped(prospect.tokens);
    let Some(refused) = &prospect.refused else {
        return format!("a request of {asked} tokens would pass now");
    };
    format!("a request of {asked} tokens would be refused now: {}", output::with_marks(&refused.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_proto::quota::v1::{NextChange, Refused};

    fn sample() -> Headroom {
        let at = |secs| Some(codec::timestamp_to_wire(Timestamp::from_secs(secs)));
        Headroom {
            pool: "gpt".to_owned(),
            summary: "the guarantee is used up, and others leave 100 to borrow".to_owned(),
            standing: Some(Standing {
                rate_per_minute: 90_000,
                available: 3_300,
                depth: 15_000,
                borrowable: 100,
                full_after: None,
            }),
            guaranteed: 3_200,
            in_hand: 200,
            ceiling_leaves: 58_000,
            others_leave: 100,
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
            held: 1_199,
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
            "available now   3 300 tokens = 3 200 guaranteed + 100 to borrow",
            "guaranteed      3 200 tokens: ████████░░ 12 000 of 15 000 used, and 200 drawn ahead of need; refills 90 000 a minute (baseline 60 000)",
            "to borrow       100 tokens: its ceiling of 120 000 a minute leaves 58 000, others leave 100 (binds) besides 700 kept for higher priorities; 2 000 are borrowed and not repaid",
            "lending         others may borrow 4 000 tokens a minute of its guarantee now, 10 000 at most",
            "held            999 tokens, by 3 requests under way",
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
    fn a_budget_that_leaves_less_than_the_buckets_is_what_binds() {
        let standing = Standing { available: 500, ..sample().standing.unwrap() };
        let bound = Headroom { standing: Some(standing), binding_budget: "day".to_owned(), ..sample() };
        let text = text(&ServiceId::try_new("chat").unwrap(), &bound, Timestamp::EPOCH);
        let wanted =
            "500 tokens, which budget day leaves (binds) of 3 300 = 3 200 guaranteed + 100 to borrow";
        assert!(in_one_line(&text).contains(wanted), "{text}");
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
            text.contains("to borrow       not allowed") && text.contains("each gateway refuses"),
            "{text}"
        );
        for absent in ["budget", "in flight", "requests  ", "debt", "shadow", "next change", "would"] {
            assert!(!text.contains(absent), "{absent} is in\n{text}");
        }
    }
}
