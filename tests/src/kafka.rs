//! A real Apache Kafka for tests: one broker in KRaft mode, started from its Maven artifacts on free ports.
//!
//! Needs Java, and Maven once. Where they are missing the tests that want a broker are ignored with that reason,
//! unless `CI` is set: then they fail.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use libtest_mimic::{Completion, Failed};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::process::free_port;

/// The version that is fetched.
pub const VERSION: &str = "4.1.1";

/// A broker takes 4 s on two idle cores, and many times that on busy ones.
const START_TIMEOUT: Duration = Duration::from_mins(2);
/// Somebody else can listen on a port between its choice and the start.
const START_ATTEMPTS: usize = 3;
/// Any id does: the cluster is this one broker.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qk";

/// Why there is no broker.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Missing {
    /// The machine lacks something. The tests are ignored, unless `CI` is set.
    #[error("no Kafka: {0}")]
    Lacks(String),
    /// There is all that is needed, and still it does not start. The tests fail.
    #[error("Kafka does not start: {0}")]
    Broken(String),
}

impl Missing {
    /// What a test says that wanted a broker.
    pub fn verdict(&self) -> Result<Completion, Failed> {
        match self {
            Self::Lacks(_) if std::env::var_os("CI").is_none() => Ok(Completion::ignored_with(self)),
            _ => Err(Failed::from(self)),
        }
    }
}

/// A running broker. Killed when it is dropped, and when this process ends in any way.
#[derive(Debug)]
pub struct KafkaBroker {
    port: u16,
    /// A shell that kills the broker and removes its data when its input ends.
    guard: Child,
}

impl KafkaBroker {
    /// Starts a broker with an empty log, and waits until it answers.
    pub fn start() -> Result<Self, Missing> {
        needs("java")?;
        let lib = jars()?;
        let mut failure = Missing::Broken("never tried".to_owned());
        for _ in 0..START_ATTEMPTS {
            match start_once(&lib) {
                Ok(broker) => return Ok(broker),
                Err(problem) => failure = Missing::Broken(problem),
            }
        }
        Err(failure)
    }

    /// The broker that all tests of this executable share, started by the first that asks.
    pub fn shared() -> Result<&'static Self, Missing> {
        static SHARED: OnceLock<Result<KafkaBroker, Missing>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref().map_err(Clone::clone)
    }

    /// `host:port`, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for KafkaBroker {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn start_once(lib: &Path) -> Result<KafkaBroker, String> {
    let told = |what: &'static str| move |problem: std::io::Error| format!("{what}: {problem}");
    let dir = tempfile::Builder::new().prefix("weir-kafka-").tempdir().map_err(told("make a directory"))?;
    let (port, controller_port) = (free_port(), free_port());
    let properties = dir.path().join("server.properties");
    let text = server_properties(dir.path(), port, controller_port);
    std::fs::write(&properties, text).map_err(told("write its properties"))?;
    let classpath = lib.join("*");
    let format = Command::new("java")
        .args(["-XX:TieredStopAtLevel=1", "-cp"])
        .arg(&classpath)
        .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
        .arg(&properties)
        .output()
        .map_err(told("run java"))?;
    if !format.status.success() {
        return Err(format!("format: {}", String::from_utf8_lossy(&format.stderr)));
    }
    // The shell outlives neither this process (its input ends) nor the broker that it removes.
    let script = r#"dir=$1; shift; "$@" & cat >/dev/null; kill -9 $!; wait; rm -rf -- "$dir""#;
    let log = File::create(dir.path().join("broker.log")).map_err(told("make its log"))?;
    let mut command = Command::new("bash");
    command
        .args(["-c", script, "weir-kafka"])
        .arg(dir.path())
        .args(["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp"])
        .arg(&classpath)
        .arg("kafka.Kafka")
        .arg(&properties)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().map_err(told("share its log"))?)
        .stderr(log);
    let guard = command.spawn().map_err(told("run bash"))?;
    let dir = dir.keep();
    let broker = KafkaBroker { port, guard };
    wait_until_it_answers(&broker).map_err(|problem| {
        let log = std::fs::read_to_string(dir.join("broker.log")).unwrap_or_default();
        let tail: Vec<_> = log.lines().rev().take(20).collect();
        format!("{problem}\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"))
    })?;
    Ok(broker)
}

fn server_properties(dir: &Path, port: u16, controller_port: u16) -> String {
    let log_dir = dir.join("log");
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         log.dirs={}\n\
         auto.create.topics.enable=false\n\
         default.replication.factor=1\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=4\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n",
        log_dir.display()
    )
}

#[expect(clippy::disallowed_methods, reason = "bounds the wait for another process")]
fn wait_until_it_answers(broker: &KafkaBroker) -> Result<(), String> {
    let begun = Instant::now();
    let asker: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("reconnect.backoff.max.ms", "200")
        .create()
        .map_err(|problem| problem.to_string())?;
    loop {
        match asker.fetch_metadata(None, Duration::from_secs(2)) {
            Ok(metadata) if !metadata.brokers().is_empty() => return Ok(()),
            _ if begun.elapsed() < START_TIMEOUT => {}
            Ok(_) => return Err("it knows no broker".to_owned()),
            Err(problem) => return Err(format!("it does not answer: {problem}")),
        }
    }
}

fn needs(tool: &str) -> Result<(), Missing> {
    let flag = if tool == "java" { "-version" } else { "--version" };
    let ran = Command::new(tool).arg(flag).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match ran {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Missing::Lacks(format!("`{tool}` does not run here"))),
    }
}

/// Kafka's jars, fetched once.
fn jars() -> Result<PathBuf, Missing> {
    let home =
        std::env::home_dir().ok_or_else(|| Missing::Lacks("no home directory to keep it in".to_owned()))?;
    let cache = home.join(".cache/weir").join(format!("kafka-{VERSION}"));
    let lib = cache.join("lib");
    if !lib.is_dir() {
        needs("mvn")?;
        fetch(&cache, &lib)
            .map_err(|problem| Missing::Lacks(format!("its jars cannot be fetched: {problem}")))?;
    }
    Ok(lib)
}

fn fetch(cache: &Path, lib: &Path) -> Result<(), String> {
    let told = |problem: std::io::Error| problem.to_string();
    let _ =
        writeln!(std::io::stderr(), "fetching Apache Kafka {VERSION} into {} (43 MB, once)", lib.display());
    std::fs::create_dir_all(cache).map_err(told)?;
    // In a directory of its own and renamed when whole, so that two runs do not meet.
    let project = tempfile::tempdir_in(cache).map_err(told)?;
    std::fs::write(project.path().join("pom.xml"), pom()).map_err(told)?;
    let fetched = project.path().join("lib");
    let mvn = Command::new("mvn")
        .args(["-q", "-B", "dependency:copy-dependencies"])
        .arg(format!("-DoutputDirectory={}", fetched.display()))
        .current_dir(project.path())
        .output()
        .map_err(told)?;
    if !mvn.status.success() {
        return Err(format!("mvn: {}", String::from_utf8_lossy(&mvn.stdout)));
    }
    match std::fs::rename(&fetched, lib) {
        Err(_) if lib.is_dir() => Ok(()),
        renamed => renamed.map_err(told),
    }
}

fn pom() -> String {
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n\
         <modelVersion>4.0.0</modelVersion>\n\
         <groupId>weir</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>\n\
         <dependencies><dependency>\n\
         <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>\n\
         </dependency></dependencies>\n\
         </project>\n"
    )
}
