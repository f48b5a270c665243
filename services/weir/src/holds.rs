//! `weir holds`: what is held for calls and not settled yet, as the quota service tells whoever asks.

use weir_domain::time::Timestamp;
use weir_proto::codec;
use weir_proto::governance::v1::{ListHoldsRequest, UnsettledHold};
use weir_runtime::clock::{Clock, SystemClock};

use crate::cli::Holds;
use crate::client::{self, Quota};
use crate::config::Config;
use crate::instant::{Span, shown};
use crate::output::{self, Table, grouped, name, number, whole};

/// The largest page that the service gives.
const PAGE_SIZE_MAX: u32 = 1_000;

/// Holds, the oldest first, whether there are more, and since when all are known.
pub(crate) struct Told {
    pub(crate) holds: Vec<UnsettledHold>,
    pub(crate) more: bool,
    pub(crate) known_since: Option<Timestamp>,
}

pub(crate) async fn run(config: &Config, asked: &Holds) -> anyhow::Result<()> {
    let mut quota = client::connect(config).await?;
    let told = ask(&mut quota, asked).await?;
    output::listed(&table(&told.holds, SystemClock.now())?, "no such hold is known");
    if told.more {
        output::note("there are more: --first N shows them, --service and --older-than choose");
    }
    if let Some(since) = told.known_since {
        output::note(&forgotten(since));
    }
    Ok(())
}

/// However old the holds that somebody asks for, there may be older ones.
fn forgotten(since: Timestamp) -> String {
    let since = shown(since);
    format!("what was asked for before {since} is not known any more; `weir headroom` counts it as held")
}

/// The first so many, page by page.
pub(crate) async fn ask(quota: &mut Quota, asked: &Holds) -> anyhow::Result<Told> {
    let name = |name: Option<String>| name.unwrap_or_default();
    let mut request = ListHoldsRequest {
        service: name(asked.service.as_ref().map(ToString::to_string)),
        pool: name(asked.pool.as_ref().map(ToString::to_string)),
        older_than: asked.older_than.map(|Span(age)| codec::duration_to_wire(age)),
        ..ListHoldsRequest::default()
    };
    let first = usize::try_from(asked.first.0).unwrap_or(usize::MAX);
    let mut holds = Vec::new();
    loop {
        let left = u32::try_from(first - holds.len()).unwrap_or(u32::MAX);
        request.page_size = left.min(PAGE_SIZE_MAX);
        let page = quota.governance.list_holds(request.clone()).await;
        let page = page.map_err(|status| client::said(&status))?.into_inner();
        holds.extend(page.holds);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() || holds.len() >= first {
            let since = page.known_since.map(|since| codec::timestamp_from_wire(Some(&since), "known_since"));
            return Ok(Told { holds, more: !request.page_token.is_empty(), known_since: since.transpose()? });
        }
    }
}

fn table(holds: &[UnsettledHold], now: Timestamp) -> anyhow::Result<Table> {
    let cells = |hold: &UnsettledHold| {
        let since = codec::timestamp_from_wire(hold.since.as_ref(), "since")?;
        let expires = hold.expires.as_ref().map(|at| codec::timestamp_from_wire(Some(at), "expires"));
        let expires = expires.transpose()?.map_or_else(|| "is over, held all the same".to_owned(), shown);
        Ok(vec![
            hold.reservation_id.clone(),
            hold.service.clone(),
            hold.pool.clone(),
            hold.node.clone(),
            grouped(hold.tokens),
            shown(since),
            format!("{} ago", Span(now.since(since))),
            expires,
        ])
    };
    let columns = [
        name("reservation"),
        name("service").or_under(),
        name("pool").or_under(),
        name("node"),
        number("tokens"),
        whole("since"),
        whole("").or_under(),
        whole("expires").or_under(),
    ];
    Ok(Table::new(columns, holds.iter().map(cells).collect::<anyhow::Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_told_with_where_it_counts() {
        let told = forgotten(Timestamp::from_secs(10));
        assert!(told.contains("before 1970-01-01T00:00:10Z is not known"), "{told}");
        assert!(told.contains("weir headroom"), "{told}");
    }

    #[test]
    fn a_hold_is_told_with_whose_it_is_who_asked_and_since_when() {
        let hold = UnsettledHold {
            reservation_id: "0".repeat(32),
            service: "chat".into(),
            pool: "gpt".into(),
            node: "gateway-1".into(),
            tokens: 12_000,
            since: Some(codec::timestamp_to_wire(Timestamp::from_secs(10))),
            expires: Some(codec::timestamp_to_wire(Timestamp::from_secs(130))),
            ..UnsettledHold::default()
        };
        let over = UnsettledHold { expires: None, ..hold.clone() };
        let table = table(&[hold, over], Timestamp::from_secs(100)).unwrap();
        for room in [None, Some(60), Some(40)] {
            let shown = table.within(room);
            for part in [
                "chat",
                "gpt",
                "gateway-1",
                "12 000",
                "1970-01-01T00:00:10Z",
                "1970-01-01T00:02:10Z",
                "1 min 30 s ago",
                &"0".repeat(32),
            ] {
                assert!(shown.contains(part), "{part} of {shown}");
            }
        }
        assert!(table.within(None).contains("is over, held all the same"));
    }
}
