//! Showback over HTTP on the real engine: what it shows is what was used.

use std::sync::Arc;

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use weir_domain::authorship::Authorship;
use weir_domain::fact::{QuotaFact, QuotaRecorded};
use weir_domain::ids::{EventId, ModelName, NodeId};
use weir_domain::org::{Decided, Event};
use weir_domain::price::{Currency, PicoPerToken, Price};
use weir_domain::time::Timestamp;
use weir_proto::codec::quota_event_to_record;
use weir_proto::record::Topic;
use weir_runtime::clock::ManualClock;
use weir_runtime::health::Health;
use weir_runtime::journal::Journal;

use super::tables::{Ground, NOON_SECS, Sample};

/// A showback and a way to ask it.
struct Showback {
    base: String,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<Result<(), weir_showback::Error>>,
}

impl Showback {
    async fn start(ground: &Ground, zone: &str) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let ports = weir_showback::Ports {
            clock: Arc::new(ManualClock::new(Timestamp::from_secs(NOON_SECS + 3_600))),
            listener,
            health: Health::default(),
            clickhouse: ground.connection.clone(),
        };
        let config = weir_showback::Config { zone: zone.to_owned(), ..weir_showback::Config::default() };
        let stop = CancellationToken::new();
        let running =
            weir_runtime::tasks::Tasks::new().spawn(weir_showback::run(config, ports, stop.clone()));
        Ok(Self { base, stop, running })
    }

    async fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let answer = client.get(format!("{}{path}", self.base).parse()?).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8(body.to_vec())?))
    }

    async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let (status, text) = self.get(path).await?;
        ensure!(status == 200, "{path}: {status} {text}");
        serde_json::from_str(&text).context(text)
    }

    async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.running.await??)
    }
}

/// A price from an instant on, decided at a second of 1970, or its removal.
fn price(id: u128, valid_from_secs: i64, decided: i64, pico: Option<[u64; 3]>) -> weir_proto::record::Record {
    let model = ModelName::try_new("gpt-4o").expect("it is a name");
    let valid_from = Timestamp::from_secs(valid_from_secs);
    let what = match pico.map(|pico| pico.map(PicoPerToken::new)) {
        Some([input, input_cached, output]) => {
            let currency = Currency::try_new("EUR").expect("it is a currency");
            Decided::PriceSet(Price { model, valid_from, currency, input, input_cached, output })
        }
        None => Decided::PriceRemoved { model, valid_from },
    };
    let by = Authorship {
        author: "finance".to_owned(),
        reason: "list price".to_owned(),
        at: Timestamp::from_secs(decided),
        commit: None,
    };
    quota_event_to_record(&QuotaRecorded {
        id: EventId::new(id),
        node: NodeId::try_new("quota-1").expect("it is a name"),
        fact: QuotaFact::Org(Event { by, what }),
    })
}

/// Three services, a price that changes at noon, a model without a price, a retry, refusals.
async fn fill(ground: &Ground) -> anyhow::Result<()> {
    let prices = vec![
        price(1, NOON_SECS - 86_400, 1, Some([9, 9, 9])),
        price(2, NOON_SECS - 86_400, 2, Some([2_500_000, 1_250_000, 10_000_000])),
        price(3, NOON_SECS, 3, Some([2_000_000, 1_000_000, 8_000_000])),
        price(4, NOON_SECS + 1, 4, Some([77, 77, 77])),
        price(5, NOON_SECS + 1, 5, None),
    ];
    ground.journal.append(Topic::Quota, prices).await?;
    let noon = Timestamp::from_secs(NOON_SECS);
    let before_noon = Timestamp::from_nanos(noon.as_nanos() - 1);
    let samples = [
        Sample { ended: before_noon, ..Sample::new(1) },
        Sample { ended: noon, ..Sample::new(2) },
        Sample { ended: Timestamp::from_secs(NOON_SECS + 2), attempt_number: 2, ..Sample::new(3) },
        Sample { team: "sales", service: "mail", model: "unpriced", ..Sample::new(4) },
        Sample { ended: Timestamp::from_secs(NOON_SECS - 30 * 86_400), ..Sample::new(5) },
    ];
    ground.append(samples.iter().map(Sample::record).collect()).await?;
    ground.append(vec![Sample { tokens: [7, 0, 0], ..Sample::new(6) }.refusals()]).await?;
    ground.caught_up().await?;
    ground.prices_caught_up().await
}

/// Prices by the event's own time, to the last digit; nothing that is not priced is hidden in a sum.
pub(crate) async fn a_report_is_exact_and_its_export_says_the_same() -> anyhow::Result<()> {
    let ground = Ground::prepare().await?;
    let aggregator = ground.aggregator();
    fill(&ground).await?;
    let showback = Showback::start(&ground, "UTC").await?;

    let report = showback.json("/api/v1/report").await?;
    // (60·2.5 + 40·1.25 + 20·10) + 2·(60·2 + 40·1 + 20·8) millionths.
    let chat = json!({
        "team": "search", "service": "chat", "requests": 2, "refused": 7, "input_tokens": 300,
        "input_cached_tokens": 120, "output_tokens": 60, "unpriced_tokens": 0, "cost": "0.00104"
    });
    let mail = json!({
        "team": "sales", "service": "mail", "requests": 1, "refused": 0, "input_tokens": 100,
        "input_cached_tokens": 40, "output_tokens": 20, "unpriced_tokens": 120, "cost": null
    });
    ensure!(report["rows"] == json!([mail, chat]), "{report:#}");
    ensure!(report["total"]["input_tokens"] == 400 && report["total"]["cost"] == "0.00104", "{report:#}");
    ensure!(report["total"]["unpriced_tokens"] == 120 && report["currency"] == "EUR", "{report:#}");
    ensure!(report["from"] == "2026-11-01T00:00:00Z" && report["to"] == "2026-12-01T00:00:00Z", "{report:#}");

    let (_, csv) = showback.get("/api/v1/report?format=csv").await?;
    ensure!(csv.contains("\r\nsearch,chat,2,7,300,120,60,0,0.00104\r\n"), "{csv}");
    ensure!(csv.contains("\r\nsales,mail,1,0,100,40,20,120,\r\n"), "{csv}");
    let (_, page) = showback.get("/").await?;
    ensure!(page.contains(">0.00104<") && page.contains("120 tokens have no price"), "{page}");

    let in_dollars = showback.json("/api/v1/report?currency=USD&team=search").await?;
    ensure!(in_dollars["rows"][0]["cost"].is_null(), "{in_dollars:#}");
    ensure!(in_dollars["rows"].as_array().map(Vec::len) == Some(1), "{in_dollars:#}");
    showback.end().await?;
    aggregator.end().await
}

/// Days are those of the zone; the hour that comes twice is two.
pub(crate) async fn days_and_hours_are_those_of_the_zone() -> anyhow::Result<()> {
    let ground = Ground::prepare().await?;
    let aggregator = ground.aggregator();
    let at = |text: &str| {
        let nanos = chrono::DateTime::parse_from_rfc3339(text)?.timestamp_nanos_opt();
        anyhow::Ok(Timestamp::from_nanos(nanos.context("it is in range")?))
    };
    let instants = [
        "2026-10-24T21:59:59Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T22:59:59.999999999Z",
        "2026-10-25T23:00:00Z",
        "2026-10-31T23:00:00Z",
    ];
    let mut records = Vec::new();
    for (id, instant) in (1..).zip(instants) {
        records.push(Sample { ended: at(instant)?, ..Sample::new(id) }.record());
    }
    ground.append(records).await?;
    ground.caught_up().await?;
    let showback = Showback::start(&ground, "Europe/Berlin").await?;
    let counts = async |query: &str, name: &str| {
        let report = showback.json(&format!("/api/v1/report?{query}")).await?;
        let rows = report["rows"].as_array().context("there are rows")?.clone();
        anyhow::Ok(rows.iter().map(|row| json!([row[name], row["requests"]])).collect::<Value>())
    };

    let days = counts("from=2026-10-24&to=2026-10-27&group_by=day", "day").await?;
    ensure!(days == json!([["2026-10-24", 1], ["2026-10-25", 4], ["2026-10-26", 1]]), "{days}");
    let hours = counts("from=2026-10-25&to=2026-10-26&group_by=hour", "hour").await?;
    let expected = json!([
        ["2026-10-25T00:00+0200", 1],
        ["2026-10-25T02:00+0100", 1],
        ["2026-10-25T02:00+0200", 1],
        ["2026-10-25T23:00+0100", 1]
    ]);
    ensure!(hours == expected, "{hours}");
    let months = counts("from=2026-10-01&to=2026-12-01&group_by=month", "month").await?;
    ensure!(months == json!([["2026-10", 6], ["2026-11", 1]]), "{months}");
    showback.end().await?;
    aggregator.end().await
}

/// Before there are tables, with parameters that mean nothing, and for requests that nobody knows.
pub(crate) async fn what_cannot_be_answered_is_said() -> anyhow::Result<()> {
    let ground = Ground::prepare().await?;
    let showback = Showback::start(&ground, "UTC").await?;
    let (status, text) = showback.get("/api/v1/report").await?;
    ensure!(status == 503 && text.contains("no tables yet"), "{status} {text}");
    let (status, page) = showback.get("/").await?;
    ensure!(status == 503 && page.contains("no tables yet"), "{status} {page}");

    let aggregator = ground.aggregator();
    ground.append(vec![Sample::new(1).record()]).await?;
    ground.caught_up().await?;
    let (status, text) = showback.get("/api/v1/report?from=yesterday").await?;
    let error: Value = serde_json::from_str(&text)?;
    ensure!(status == 400 && error["error"]["field"] == "from", "{status} {text}");
    ensure!(showback.get("/api/v1/events/xyz").await?.0 == 400, "an id that is none");
    ensure!(showback.get(&format!("/api/v1/events/{:032x}", 2)).await?.0 == 404, "an id that is unknown");
    showback.end().await?;
    aggregator.end().await
}

/// A request's id finds its events, with everything that was recorded.
pub(crate) async fn a_request_id_finds_its_event() -> anyhow::Result<()> {
    let ground = Ground::prepare().await?;
    let aggregator = ground.aggregator();
    let id = 0x0193_4567_89ab_7def_8123_4567_89ab_cdef_u128;
    ground.append(vec![Sample::new(id).record(), Sample::new(7).record()]).await?;
    ground.caught_up().await?;
    let showback = Showback::start(&ground, "UTC").await?;
    let found = showback.json(&format!("/api/v1/events/{id:032x}")).await?;
    let events = found["events"].as_array().context("there are events")?;
    ensure!(events.len() == 1, "{found:#}");
    let event = &events[0];
    ensure!(
        event["request_id"] == format!("{id:032x}") && event["event_id"] == format!("{id:032x}"),
        "{event:#}"
    );
    ensure!(
        event["ended"] == "2026-11-20T12:00:00.000000000Z" && event["first_byte_us"] == 1_234,
        "{event:#}"
    );
    ensure!(event["upstream_status"].is_null() && event["streamed"] == true, "{event:#}");
    ensure!(event["output_tokens"] == 20 && event["total_high_tokens"] == 120, "{event:#}");
    let totals = showback.json("/api/v1/totals").await?;
    ensure!(totals["usage"][0]["input_tokens"] == 200, "{totals:#}");
    showback.end().await?;
    aggregator.end().await
}
