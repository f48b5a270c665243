//! The command line's side against a real quota service, over gRPC, on a journal in memory.

mod audit;
mod generated;
mod holds;
mod named;
mod secured;

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use weir_domain::policy::Policy;
use weir_proto::governance::v1::{BurstPhase, ListBurstsRequest, RevokeCallerKeyRequest};
use weir_quota::Config;
use weir_runtime::client_tls::ClientTls;
use weir_runtime::clock::{Clock, SystemClock};
use weir_runtime::health::Health;
use weir_runtime::journal::memory::MemoryJournal;
use weir_runtime::tasks::Tasks;

use crate::client::{Quota, connect_to};
use crate::policy_files::{PolicyFiles, Source, from_sources, read_dir, write_dir};
use crate::{demo, policy};

const TOKEN: &str = "an-admins-token";

/// A quota service that ends with the test.
struct Served {
    port: u16,
    tasks: Tasks,
    shutdown: CancellationToken,
}

impl Served {
    async fn start(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ports = weir_quota::Ports {
            clock: Arc::new(SystemClock),
            journal: Arc::new(MemoryJournal::new()),
            health: Health::default(),
            listener,
            token: Some(TOKEN.to_owned().into()),
            data_dir: None,
        };
        let (tasks, shutdown) = (Tasks::new(), CancellationToken::new());
        tasks.spawn(weir_quota::run(config, ports, shutdown.clone()));
        Self { port, tasks, shutdown }
    }

    async fn client(&self) -> Quota {
        let url = format!("http://127.0.0.1:{}", self.port);
        connect_to(&url, &ClientTls::default(), Some(&TOKEN.to_owned().into())).await.unwrap()
    }

    async fn end(self) {
        self.shutdown.cancel();
        assert!(self.tasks.drain(std::time::Duration::from_secs(20)).await, "it ends");
    }
}

async fn apply(quota: &mut Quota, files: &PolicyFiles) -> Vec<String> {
    policy::apply(quota, files, "a test".to_owned(), None).await.unwrap().changes
}

fn from_text(text: &str) -> PolicyFiles {
    from_sources(&[Source { path: "policy.toml".into(), text: text.to_owned() }]).unwrap()
}

/// What stands, as files in a folder.
async fn exported(quota: &mut Quota, dir: &Path) -> PolicyFiles {
    write_dir(&policy::current(quota).await.unwrap(), dir).unwrap();
    read_dir(dir).unwrap().sound().unwrap()
}

#[tokio::test]
async fn an_export_plans_to_no_change_and_is_the_same_from_an_empty_journal() {
    let (first, second) = (Served::start(Config::default()).await, Served::start(Config::default()).await);
    let (mut quota, mut other) = (first.client().await, second.client().await);
    let files = demo::sample(SystemClock.now()).unwrap();
    assert!(apply(&mut quota, &files).await.len() > 10);
    assert_eq!(apply(&mut quota, &files).await, Vec::<String>::new(), "the same again");

    let dir = tempfile::tempdir().unwrap();
    let out = exported(&mut quota, dir.path()).await;
    assert_eq!(policy::dry_run(&mut quota, &out).await.unwrap().changes, Vec::<String>::new());

    apply(&mut other, &out).await;
    assert_eq!(policy::current(&mut other).await.unwrap(), policy::current(&mut quota).await.unwrap());
    first.end().await;
    second.end().await;
}

#[tokio::test]
async fn a_plan_changes_nothing() {
    let served = Served::start(Config::default()).await;
    let mut quota = served.client().await;
    let files = demo::sample(SystemClock.now()).unwrap();
    assert!(policy::dry_run(&mut quota, &files).await.unwrap().changes.len() > 10);
    assert_eq!(policy::current(&mut quota).await.unwrap(), Policy::default());
    served.end().await;
}

#[tokio::test]
async fn what_would_break_a_promise_is_told_by_file_and_line_with_all_else_that_is_wrong() {
    let served = Served::start(Config::default()).await;
    let mut quota = served.client().await;
    let files = from_text(
        "[[team]]\nname = \"a\"\ntitle = \"A\"\n\n[[pool]]\nname = \"gpt\"\ntokens_per_minute = 1_000\n\n[[service]]\n\
         name = \"chat\"\nteam = \"b\"\nowner = \"Ada\"\nuse_case = \"Answers\"\n\n[[service.allocation]]\npool = \"gpt\"\n\
         baseline = 5_000\nrequest_max = 10\n",
    );
    let told = policy::dry_run(&mut quota, &files).await.err().unwrap().to_string();
    assert!(
        told.contains("policy.toml:5: pool gpt: guarantees exceed the pool by 4000 tokens a minute"),
        "{told}"
    );
    assert!(told.contains("policy.toml:9: service chat: belongs to team b, which is not defined"), "{told}");
    served.end().await;
}

#[tokio::test]
async fn a_request_that_does_not_fit_is_told_by_its_own_line_in_its_own_file() {
    let served = Served::start(Config::default()).await;
    let mut quota = served.client().await;
    let pool =
        "[[team]]\nname = \"a\"\ntitle = \"A\"\n\n[[pool]]\nname = \"gpt\"\ntokens_per_minute = 1_000\n";
    let service = "[[service]]\nname = \"chat\"\nteam = \"a\"\nowner = \"Ada\"\nuse_case = \"Answers\"\n\n\
                   [[service.allocation]]\npool = \"gpt\"\nbaseline = 500\nrequest_max = 1_001\n";
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.to_owned() };
    let files = from_sources(&[source("pools.toml", pool), source("chat.toml", service)]).unwrap();
    let told = policy::dry_run(&mut quota, &files).await.err().unwrap().to_string();
    let wanted = "\n  chat.toml:10: service chat, allocation in pool gpt, request_max: request_max 1001 is more than the 1000";
    assert!(told.contains(wanted) && told.lines().count() == 2, "{told}");
    served.end().await;
}

#[tokio::test]
async fn what_nobody_answers_for_has_the_sandbox_only_and_the_line_is_told() {
    let served = Served::start(Config::default()).await;
    let mut quota = served.client().await;
    let files = from_text(
        "[[team]]\nname = \"a\"\ntitle = \"A\"\n[[pool]]\nname = \"gpt\"\ntokens_per_minute = 1_000_000\n[[service]]\n\
         name = \"chat\"\nteam = \"a\"\n[[service.allocation]]\npool = \"gpt\"\nbaseline = 500_000\nrequest_max = 10\n",
    );
    let told = policy::dry_run(&mut quota, &files).await.err().unwrap().to_string();
    assert!(told.contains("policy.toml:10: service chat, allocation in pool gpt"), "{told}");
    served.end().await;
}

#[tokio::test]
async fn the_demo_leaves_an_organisation_as_somebody_made_it() {
    let served = Served::start(Config::default()).await;
    let mut quota = served.client().await;
    let files = demo::sample(SystemClock.now()).unwrap();
    assert!(demo::organise(&mut quota, &files).await.unwrap());
    let bursts =
        quota.governance.list_bursts(ListBurstsRequest::default()).await.unwrap().into_inner().bursts;
    assert!(bursts.iter().any(|burst| burst.phase() == BurstPhase::Requested), "{bursts:?}");

    let mut changed = demo::sample(SystemClock.now()).unwrap();
    changed.policy.services.retain(|service| service.id.as_str() != "paper-digest");
    apply(&mut quota, &changed).await;
    let left = policy::current(&mut quota).await.unwrap();
    assert!(!demo::organise(&mut quota, &files).await.unwrap(), "started again");
    assert_eq!(policy::current(&mut quota).await.unwrap(), left);
    served.end().await;
}

#[tokio::test]
async fn the_demos_keys_stay_and_those_that_are_revoked_are_left_out() {
    let served = Served::start(Config::default()).await;
    let (mut quota, dir) = (served.client().await, tempfile::tempdir().unwrap());
    demo::organise(&mut quota, &demo::sample(SystemClock.now()).unwrap()).await.unwrap();
    let keys = demo::keys(&mut quota, dir.path()).await.unwrap();
    assert!(keys.contains_key("paper-digest"));
    assert_eq!(demo::keys(&mut quota, dir.path()).await.unwrap(), keys, "started again");

    let (author, reason, id) = ("ada".to_owned(), "leaked".to_owned(), "paper-digest-demo".to_owned());
    let revoke = RevokeCallerKeyRequest { author, reason, id, ..RevokeCallerKeyRequest::default() };
    assert!(quota.governance.revoke_caller_key(revoke).await.unwrap().into_inner().revoked);
    let left = demo::keys(&mut quota, dir.path()).await.unwrap();
    assert_eq!((left.len(), left.contains_key("paper-digest")), (keys.len() - 1, false));
    served.end().await;
}
