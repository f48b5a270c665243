//! The candidates: Weir's gateway, governed or passing through, with its default settings.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::future::LocalBoxFuture;
use tokio::net::TcpListener;
use weir_domain::usage::{UsageEvent, UsageSource};
use weir_gateway::Config;
use weir_gateway::config::{Mode, UpstreamConfig, UpstreamKind};
use weir_proto::codec::usage_from_record;
use weir_proto::record::Topic;
use weir_runtime::clock::SystemClock;
use weir_runtime::health::Health;
use weir_runtime::journal::embedded::EmbeddedJournal;
use weir_runtime::journal::{EMBEDDED_DIR, Journal, Offset, Partition};
use weir_runtime::secrets::SecretSource;
use weir_runtime::telemetry;
use weir_tests::load::organisation::{QuotaServer, TOKEN, UPSTREAM, journal};
use weir_tests::load::server::{Role, Server, Serving};

/// The role that is a gateway. Its arguments: `governed` or `pass-through`, a folder, the upstream's address, and the
/// quota service's.
pub(crate) const ROLE: Role = ("gateway", serve);

const READY_LOOK: Duration = Duration::from_millis(5);
/// Records of a read when events are counted.
const READ_MAX: usize = 10_000;

fn serve(serving: Serving) -> LocalBoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        telemetry::install(&telemetry::Config::default())?;
        let (dir, health) = (Path::new(serving.argument(1)?).to_owned(), Health::default());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let ports = weir_gateway::Ports {
            clock: Arc::new(SystemClock),
            journal: journal("embedded", &dir)?,
            health: health.clone(),
            listener,
            quota_token: Some(TOKEN.to_owned().into()),
        };
        let gateway = weir_gateway::run(config(&serving, &dir)?, ports, serving.stop.clone());
        let ready = async {
            // Its part of health is there once it has begun.
            tokio::task::yield_now().await;
            while !health.problems().is_empty() {
                tokio::time::sleep(READY_LOOK).await;
            }
            serving.say(&address).context("nobody listens")
        };
        tokio::try_join!(async { gateway.await.context("the gateway ended") }, ready)?;
        Ok(())
    })
}

fn config(serving: &Serving, dir: &Path) -> anyhow::Result<Config> {
    let key = dir.join("upstream.key");
    std::fs::write(&key, "benchmark")?;
    Ok(Config {
        mode: match serving.argument(0)? {
            "governed" => Mode::Governed,
            _ => Mode::PassThrough,
        },
        quota_url: format!("http://{}", serving.argument(3)?),
        wal_dir: Some(dir.join("gateway")),
        upstreams: vec![UpstreamConfig {
            name: UPSTREAM.to_owned(),
            kind: UpstreamKind::OpenAi,
            base_url: format!("http://{}/v1", serving.argument(2)?),
            api_key: SecretSource::File(key),
            api_version: String::new(),
            ca_file: None,
        }],
        ..Config::default()
    })
}

/// Starts a gateway; its data is in a folder named after its mode.
pub(crate) fn start(
    dir: &Path,
    mode: &str,
    upstream: &Server,
    quota: &QuotaServer,
) -> anyhow::Result<Server> {
    let data = dir.join(mode);
    std::fs::create_dir_all(&data)?;
    Server::start(dir, ROLE.0, &[mode, &data.to_string_lossy(), upstream.ready(), quota.server.ready()])
}

/// What a governed gateway must have recorded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Usage events.
    pub(crate) attempts: u64,
    /// Their tokens.
    pub(crate) tokens: u64,
}

/// Reads the events of a governed gateway that has ended. All must be as the upstream reported them.
pub(crate) async fn recorded(dir: &Path) -> anyhow::Result<Recorded> {
    let journal = EmbeddedJournal::open_read_only(&dir.join("governed").join(EMBEDDED_DIR))?;
    let mut recorded = Recorded::default();
    for index in 0..journal.partitions(Topic::Usage).await? {
        let partition = Partition { topic: Topic::Usage, index };
        let (mut next, end) = (Offset::ZERO, journal.end(partition).await?);
        let mut reader = journal.read(partition, Offset::ZERO).await?;
        while next < end {
            for stored in reader.next(READ_MAX, Duration::from_secs(1)).await? {
                let event = usage_from_record(&stored.record)?;
                let UsageEvent::Recorded(usage) = &event else { anyhow::bail!("refused: {event:?}") };
                ensure!(usage.usage_source == UsageSource::Reported, "not as reported: {usage:?}");
                recorded.attempts += 1;
                recorded.tokens += usage.usage.total().get();
                next = stored.offset.next();
            }
        }
    }
    Ok(recorded)
}
