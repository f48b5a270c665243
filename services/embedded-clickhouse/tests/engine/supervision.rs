//! The child's life: started, found, started again, ended.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use weir_embedded_clickhouse::{StartError, Supervisor, running_url};

use crate::support::{Engine, PARENT, block_on, config, memory_kib, wait_until_free};

crate::tests![
    it_starts_within_three_seconds,
    it_is_found_while_it_runs_and_only_then,
    it_starts_again_on_the_same_port,
    it_does_not_listen_beyond_this_machine,
    a_data_path_has_one_owner,
    a_library_that_is_none_is_named,
    it_dies_with_its_parent,
];

/// Kills a process as nobody can prepare for.
pub(crate) fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("it is a process");
    kill_process(pid, Signal::KILL).expect("it lives");
}

#[expect(clippy::disallowed_methods, reason = "a real start is measured, with the real clock")]
fn now() -> Instant {
    Instant::now()
}

fn it_starts_within_three_seconds() {
    block_on(async {
        let start = now();
        let engine = Engine::start().await;
        let fresh = start.elapsed();
        let resident = memory_kib(*engine.supervisor.pid().borrow(), "VmRSS");
        let Engine { supervisor, dir } = engine;
        supervisor.shutdown().await;
        let start = now();
        let again = Supervisor::start(config(&dir.path().join("data"))).await.unwrap();
        let warm = start.elapsed();
        println!("start on a new data path {fresh:?}, again {warm:?}; resident {resident} KiB");
        assert!(fresh.max(warm) < Duration::from_secs(3), "{fresh:?}, {warm:?}");
        again.shutdown().await;
    });
}

fn it_is_found_while_it_runs_and_only_then() {
    block_on(async {
        let Engine { supervisor, dir } = Engine::start().await;
        let data = dir.path().join("data");
        let client = clickhouse::Client::default().with_url(running_url(&data).expect("it is found"));
        assert_eq!(running_url(&data), Some(supervisor.url()));
        client.query("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a").execute().await.unwrap();
        client.query("INSERT INTO t VALUES (1), (2)").execute().await.unwrap();
        supervisor.shutdown().await;
        assert_eq!(running_url(&data), None);
        assert!(!dir.path().join("clickhouse.url").exists());
        // What was written is there after a clean end.
        let supervisor = Supervisor::start(config(&data)).await.unwrap();
        let client = clickhouse::Client::default().with_url(supervisor.url());
        assert_eq!(client.query("SELECT sum(a) FROM t").fetch_one::<u64>().await.unwrap(), 3);
    });
}

fn it_starts_again_on_the_same_port() {
    block_on(async {
        let engine = Engine::start().await;
        let mut pid = engine.supervisor.pid();
        for _ in 0..3 {
            let before = *pid.borrow_and_update();
            kill(before);
            let after = *pid.wait_for(|now| *now != 0 && *now != before).await.unwrap();
            assert_ne!(after, before);
            assert_eq!(engine.client().query("SELECT 1").fetch_one::<u8>().await.unwrap(), 1);
            assert_eq!(running_url(&engine.dir.path().join("data")), Some(engine.supervisor.url()));
        }
    });
}

fn it_does_not_listen_beyond_this_machine() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(&dir.path().join("data"));
        config.listen = "0.0.0.0:0".parse().unwrap();
        let error = Supervisor::start(config.clone()).await.unwrap_err();
        assert!(error.to_string().contains("0.0.0.0:0"), "{error}");
        // Nor does the child when nobody has asked before.
        let args = ["--library", "x", "--data", "y", "--listen", "[::]:8123"];
        let child = Command::new(&config.executable).args(&config.args_prefix).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(!child.status.success() && said.starts_with("failed will not listen on [::]:8123"), "{said}");
    });
}

fn a_data_path_has_one_owner() {
    block_on(async {
        let engine = Engine::start().await;
        let owner = *engine.supervisor.pid().borrow();
        let error = Supervisor::start(config(&engine.dir.path().join("data"))).await.unwrap_err().to_string();
        assert!(error.contains(&format!("is in use by process {owner}")), "{error}");
        assert_eq!(engine.client().query("SELECT 1").fetch_one::<u8>().await.unwrap(), 1);
        assert!(engine.dir.path().join("clickhouse.url").exists(), "the owner can still be found");
    });
}

fn a_library_that_is_none_is_named() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(&dir.path().join("data"));
        config.library = dir.path().join("nothing.so");
        let error = Supervisor::start(config).await.unwrap_err();
        assert!(matches!(&error, StartError::Refused(reason) if reason.contains("nothing.so")), "{error}");
    });
}

/// Has an engine, says so, and waits to be killed.
pub(crate) fn be_a_parent(args: &[std::ffi::OsString]) -> ExitCode {
    block_on(async {
        let data = args.first().expect("the data path is given");
        let supervisor = Supervisor::start(config(Path::new(data))).await.expect("the engine starts");
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{}", supervisor.url()).and_then(|()| stdout.flush()).expect("somebody listens");
        std::future::pending::<ExitCode>().await
    })
}

fn it_dies_with_its_parent() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let program = std::env::current_exe().unwrap();
    let parent = Command::new(program).arg(PARENT).arg(&data).stdout(Stdio::piped()).spawn();
    let mut parent = parent.unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(running_url(&data).as_deref(), Some(line.trim()));
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until_free(&data);
    assert_eq!(running_url(&data), None);
    // The next owner need not clean up after it.
    block_on(async { Supervisor::start(config(&data)).await.unwrap().shutdown().await });
}
