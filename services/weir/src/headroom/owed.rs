//! What is owed, out of which refills it is repaid, and where a request that passes all the same has its tokens from.

use weir_proto::codec;
use weir_proto::quota::v1::{DebtRepayment, Sources, Standing};

use crate::instant::Span;
use crate::output::grouped;

/// `3 000 tokens, used above what was held: the guarantee's refill of 6 000 a minute repays them in 30.0 s …`
pub(super) fn debt(debt: u64, repayment: &DebtRepayment, standing: &Standing) -> String {
    let DebtRepayment { guarantee_owes, guarantee_per_minute, borrowing_owes, borrowing_per_minute, .. } =
        *repayment;
    let (refill, rate, until, besides) = match (guarantee_owes > 0, borrowing_owes > 0) {
        (true, false) => {
            let besides =
                if standing.borrowable > 0 { "; what may be borrowed is there all the same" } else { "" };
            ("the guarantee's refill", guarantee_per_minute, "the guarantee has nothing until then", besides)
        }
        (false, _) => {
            let besides = if standing.depth > 0 { "; the guarantee is there all the same" } else { "" };
            (
                "the refill of what may be borrowed",
                borrowing_per_minute,
                "nothing can be borrowed until then",
                besides,
            )
        }
        (true, true) => {
            let both = guarantee_per_minute.saturating_add(borrowing_per_minute);
            (
                "the refill of the guarantee and of what may be borrowed",
                both,
                "neither has anything until then",
                "",
            )
        }
    };
    let (owed, rate) = (grouped(debt), grouped(rate));
    let Some(after) = repayment.repaid_after.as_ref().map(codec::duration_from_wire) else {
        return format!(
            "{owed} tokens, used above what was held: nothing repays all of them as things stand{besides}"
        );
    };
    format!(
        "{owed} tokens, used above what was held: {refill}, {rate} a minute, repays them in {}, and {until}{besides}",
        Span(after)
    )
}

/// `: 1 000 guaranteed + 500 borrowed`, and in debt why it passes all the same.
pub(super) fn sources(sources: &Sources, debt: u64) -> String {
    let Sources { in_hand, guaranteed, borrowed } = *sources;
    let parts = [(in_hand, "drawn already"), (guaranteed, "guaranteed"), (borrowed, "borrowed")];
    let parts = parts.into_iter().filter(|(tokens, _)| *tokens > 0);
    let sum =
        parts.map(|(tokens, what)| format!("{} {what}", grouped(tokens))).collect::<Vec<_>>().join(" + ");
    if debt == 0 {
        return format!(": {sum}");
    }
    let why = match (in_hand > 0, guaranteed > 0) {
        (true, _) => "what was drawn before is handed out in debt too",
        (false, false) => "it is the guarantee that owes, not what may be borrowed",
        (false, true) => "it is what may be borrowed that owes, not the guarantee",
    };
    format!(" although {} are owed: {sum}; {why}", grouped(debt))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Option<prost_types::Duration> = Some(prost_types::Duration { seconds: 30, nanos: 0 });

    #[test]
    fn a_debt_says_what_repays_it_and_what_is_there_all_the_same() {
        let standing = Standing { borrowable: 6_000, depth: 1_000, ..Standing::default() };
        let own = DebtRepayment {
            guarantee_owes: 3_000,
            guarantee_per_minute: 6_000,
            borrowing_per_minute: 600,
            repaid_after: AFTER,
            ..DebtRepayment::default()
        };
        assert_eq!(
            debt(3_000, &own, &standing),
            "3 000 tokens, used above what was held: the guarantee's refill, 6 000 a minute, repays them in 30.0 s, and the \
             guarantee has nothing until then; what may be borrowed is there all the same"
        );
        let borrowing = DebtRepayment { guarantee_owes: 0, borrowing_owes: 3_000, ..own };
        let said = debt(3_000, &borrowing, &standing);
        assert!(
            said.contains("what may be borrowed, 600 a minute")
                && said.ends_with("the guarantee is there all the same"),
            "{said}"
        );
        let both = DebtRepayment { borrowing_owes: 1, ..own };
        assert!(debt(3_001, &both, &standing).contains("6 600 a minute"));
        let never = DebtRepayment { repaid_after: None, ..own };
        assert!(debt(3_000, &never, &standing).contains("nothing repays all of them as things stand"));
    }

    #[test]
    fn a_request_that_passes_in_debt_says_why() {
        let borrowed = Sources { borrowed: 900, ..Sources::default() };
        assert_eq!(sources(&borrowed, 0), ": 900 borrowed");
        assert_eq!(
            sources(&borrowed, 3_000),
            " although 3 000 are owed: 900 borrowed; it is the guarantee that owes, not what may be borrowed"
        );
        let in_hand = Sources { in_hand: 50, ..Sources::default() };
        assert!(
            sources(&in_hand, 1)
                .ends_with("50 drawn already; what was drawn before is handed out in debt too")
        );
        let own = Sources { guaranteed: 1_000, borrowed: 500, ..Sources::default() };
        assert_eq!(sources(&own, 0), ": 1 000 guaranteed + 500 borrowed");
    }
}
