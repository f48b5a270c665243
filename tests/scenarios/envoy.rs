//! A real Envoy asks Weir: what is admitted reaches the emulator and is charged as the emulator counted it, the rest is
//! told what Weir's own gateway would tell.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use weir_proto::quota::v1::admission_service_client::AdmissionServiceClient;
use weir_proto::quota::v1::{GetHeadroomRequest, Headroom};
use weir_tests::envoy::{Envoy, NODE_TOKEN, SETTINGS};
use weir_tests::process::Process;
use weir_tests::witness;
use weir_tests::world::World;

use crate::exactness::FAST_EMULATOR;

/// 200 tokens a second, 2,000 at once.
const POLICY: &str = r#"
[[service]]
name = "fronted"
team = "team-a"
owner = "Owner of fronted"
use_case = "Is behind an Envoy"
when_throttled = "It waits"
allocation = [{ pool = "chat", baseline = 12_000, request_max = 2_000 }]
"#;
const SERVICE: &str = "fronted";
/// What every request gets; the example's settings hold 500 for it.
const OUTPUT_TOKENS: u64 = 150;
/// More than the allocation has for.
const REQUESTS_MAX: usize = 80;
/// How long anything may take to come up, or to be reported, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(100);

struct Stage {
    world: World,
    weir: Process,
    envoy: Envoy,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// How an answer comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Whole,
    /// It says at its end what it has used.
    Stream,
    /// Nobody asked it to.
    SilentStream,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

pub(crate) async fn an_envoy_admits_what_weir_admits_and_charges_what_was_used(
    program: PathBuf,
) -> anyhow::Result<()> {
    let mut stage = Stage::set(program).await?;
    let (refused, passed) = stage.run_into_the_limit().await?;
    check_refusal(&refused)?;
    stage.pass_when_told(&refused, Shape::Stream).await?;
    stage.refuse_whoever_has_nothing().await?;
    stage.check_charges(passed + 1).await?;
    stage.check_that_silence_is_not_nothing().await?;
    stage.check_without_weir().await
}

impl Stage {
    async fn set(program: PathBuf) -> anyhow::Result<Self> {
        let world = World::begin(FAST_EMULATOR).await?;
        world.append_settings(SETTINGS)?;
        std::fs::write(world.path("policy/fronted.toml"), POLICY)?;
        let token = vec![(NODE_TOKEN.0.to_owned(), NODE_TOKEN.1.to_owned())];
        let weir = world.start_with("weir", &["up"], token)?;
        world.ready(world.ports.telemetry[0]).await.with_context(|| weir.log_tail())?;
        let envoy = Envoy::start(&program, world.dir.path(), world.ports.quota, world.ports.emulator)?;
        let http = Client::builder(TokioExecutor::new()).build_http();
        let stage = Self { world, weir, envoy, http };
        let nobody = async {
            loop {
                match stage.ask(None, Shape::Whole).await {
                    Ok(answer) => return answer.status,
                    Err(_) => tokio::time::sleep(POLL).await,
                }
            }
        };
        let nobody = tokio::time::timeout(PATIENCE, nobody).await;
        let status = nobody.with_context(|| stage.envoy.process.log_tail())?;
        ensure!(status == StatusCode::UNAUTHORIZED, "who has no name gets nothing: {status}");
        Ok(stage)
    }

    /// Asks for an answer.
    async fn ask(&self, service: Option<&str>, shape: Shape) -> anyhow::Result<Answer> {
        let messages = json!([{"role": "user", "content": "How deep is it?"}]);
        let mut body = json!({"model": "gpt-4o", "messages": messages, "stream": shape != Shape::Whole});
        if shape == Shape::Stream {
            body["stream_options"] = json!({"include_usage": true});
        }
        let mut request = Request::post(format!("http://{}/v1/chat/completions", self.envoy.address))
            .header("content-type", "application/json")
            .header("x-emulator-fault", format!("output-tokens={OUTPUT_TOKENS}"));
        if let Some(service) = service {
            request = request.header("x-service", service);
        }
        let response = self.http.request(request.body(Full::from(body.to_string()))?).await?;
        let (head, body) = response.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
    }

    /// Asks until it is refused. The refusal, and how many passed.
    async fn run_into_the_limit(&self) -> anyhow::Result<(Answer, usize)> {
        for passed in 0..REQUESTS_MAX {
            let answer =
                self.ask(Some(SERVICE), if passed % 2 == 0 { Shape::Whole } else { Shape::Stream }).await?;
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                ensure!(passed >= 2, "{passed} passed, and there was room for two");
                return Ok((answer, passed));
            }
            ensure!(answer.status == StatusCode::OK, "{}: {:?}", answer.status, answer.body);
            let limits: Vec<_> = answer.headers.get_all("x-ratelimit-limit-tokens").iter().collect();
            ensure!(limits == ["12000"], "the service's own limit and no other: {limits:?}");
        }
        anyhow::bail!("{REQUESTS_MAX} requests passed: {}", self.envoy.process.log_tail())
    }

    /// The same passes after the time that a refusal has named.
    async fn pass_when_told(&self, refused: &Answer, shape: Shape) -> anyhow::Result<()> {
        let wait_ms: u64 = refused.header("retry-after-ms")?.parse()?;
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let again = self.ask(Some(SERVICE), shape).await?;
        ensure!(again.status == StatusCode::OK, "after {wait_ms} ms: {:?}", again.body);
        Ok(())
    }

    async fn refuse_whoever_has_nothing(&self) -> anyhow::Result<()> {
        for nobody in ["stranger", "No Name!"] {
            let answer = self.ask(Some(nobody), Shape::Whole).await?;
            ensure!(answer.status == StatusCode::TOO_MANY_REQUESTS, "{nobody}: {}", answer.status);
            ensure!(answer.header("x-should-retry")? == "false", "{nobody}: {:?}", answer.headers);
        }
        let unnamed = self.ask(Some(""), Shape::Whole).await?;
        ensure!(unnamed.status == StatusCode::UNAUTHORIZED, "an empty name is none: {}", unnamed.status);
        Ok(())
    }

    /// What is charged is what the emulator has counted, to the token, once every report has come; and that is verified.
    async fn check_charges(&self, passed: usize) -> anyhow::Result<()> {
        let served = witness::ledger(&self.world).await?;
        let used: u64 = served.iter().map(|entry| entry.prompt_tokens + entry.completion_tokens).sum();
        ensure!(served.len() == passed, "{} of {passed} were served", served.len());
        let reported = async {
            loop {
                let headroom = self.headroom().await?;
                if headroom.holds == 0 {
                    return anyhow::Ok(headroom.settled_total);
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let settled = tokio::time::timeout(PATIENCE, reported).await.context("a report is missing")??;
        ensure!(settled == used, "{settled} tokens are charged, {used} were used");
        let verified = self.world.expect(&["verify", "--wait", "30"])?;
        ensure!(verified.contains("journal = ledger = tables, to the token"), "{verified}");
        let asked = format!("{passed} charges of ");
        ensure!(verified.contains(&asked) && verified.contains("asked for by Envoy filters"), "{verified}");
        Ok(())
    }

    /// A stream that does not say what it has used keeps its hold, where the next answer has reported long since.
    async fn check_that_silence_is_not_nothing(&self) -> anyhow::Result<()> {
        let before = self.headroom().await?.settled_total;
        for shape in [Shape::SilentStream, Shape::Whole] {
            let answer = self.ask(Some(SERVICE), shape).await?;
            if answer.status != StatusCode::OK {
                self.pass_when_told(&answer, shape).await?;
            }
        }
        let reported = async {
            loop {
                let headroom = self.headroom().await?;
                if headroom.settled_total > before {
                    return anyhow::Ok(headroom.holds);
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let holds = tokio::time::timeout(PATIENCE, reported).await.context("the report is missing")??;
        ensure!(holds == 1, "{holds} are held");
        Ok(())
    }

    async fn headroom(&self) -> anyhow::Result<Headroom> {
        let url = format!("http://127.0.0.1:{}", self.world.ports.quota);
        let channel = Channel::from_shared(url)?.connect().await?;
        let token = std::fs::read_to_string(self.world.path(".weir/admin.token"))?;
        let bearer: MetadataValue<Ascii> = format!("Bearer {}", token.trim()).parse()?;
        let request = GetHeadroomRequest { service: SERVICE.into(), pool: "chat".into(), tokens: 0 };
        let mut request = tonic::Request::new(request);
        request.metadata_mut().insert("authorization", bearer);
        let answer = AdmissionServiceClient::new(channel).get_headroom(request).await?.into_inner();
        answer.allocations.into_iter().next().context("the service has an allocation")
    }

    /// While nobody can decide nothing passes, and clients are not made to hammer.
    async fn check_without_weir(&mut self) -> anyhow::Result<()> {
        let before = witness::ledger(&self.world).await?.len();
        self.weir.kill();
        let answer = self.ask(Some(SERVICE), Shape::Whole).await?;
        ensure!(answer.status == StatusCode::TOO_MANY_REQUESTS, "{}", answer.status);
        ensure!(witness::ledger(&self.world).await?.len() == before, "it has not been served");
        Ok(())
    }
}

impl Answer {
    fn header(&self, name: &str) -> anyhow::Result<&str> {
        let value = self.headers.get(name).with_context(|| format!("{name} is in {:?}", self.headers))?;
        Ok(value.to_str()?)
    }
}

/// What SDKs read, and what Envoy adds by itself.
fn check_refusal(refused: &Answer) -> anyhow::Result<()> {
    let body: Value = serde_json::from_slice(&refused.body)?;
    let error = &body["error"];
    ensure!(error["type"] == "tokens" && error["code"] == "rate_limit_exceeded", "{body}");
    ensure!(error["message"].as_str().is_some_and(|text| text.contains("500 tokens were asked")), "{body}");
    ensure!(refused.header("content-type")? == "application/json", "{:?}", refused.headers);
    ensure!(refused.header("x-envoy-ratelimited")? == "true", "{:?}", refused.headers);
    ensure!(refused.header("x-ratelimit-limit-tokens")? == "12000", "{:?}", refused.headers);
    let (millis, seconds): (u64, u64) =
        (refused.header("retry-after-ms")?.parse()?, refused.header("retry-after")?.parse()?);
    ensure!(seconds == millis.div_ceil(1_000) && (1..=5_000).contains(&millis), "{millis} ms, {seconds} s");
    // The headers of the draft, which Envoy makes of the statuses.
    ensure!(refused.header("x-ratelimit-limit")?.starts_with("12000, 12000;w=60"), "{:?}", refused.headers);
    ensure!(refused.header("x-ratelimit-reset")?.parse::<u64>()? == seconds, "{:?}", refused.headers);
    Ok(())
}
