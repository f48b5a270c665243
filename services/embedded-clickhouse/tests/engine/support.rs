//! Engines for tests, and the plainest ways to talk to them.

use std::fs::OpenOptions;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;
use weir_embedded_clickhouse::{Supervisor, SupervisorConfig, fetch};

/// A test by its name.
pub(crate) type Test = (&'static str, fn());

/// The first argument that makes this program the child of a supervisor.
pub(crate) const CHILD: &str = "embedded-clickhouse";
/// The first argument that makes it a process that has a supervisor and waits to be killed.
pub(crate) const PARENT: &str = "parent-to-be-killed";

/// The first argument that makes it a process that fetches the library into a directory.
pub(crate) const FETCHER: &str = "fetch-into";

/// Names tests: a list of functions becomes a list of tests.
#[macro_export]
macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        pub(crate) const TESTS: &[$crate::support::Test] = &[$((stringify!($name), $name)),+];
    };
}

/// Runs a future on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(future)
}

#[expect(clippy::disallowed_methods, reason = "that is how CI systems say so")]
pub(crate) fn on_ci() -> bool {
    std::env::var("CI").is_ok()
}

/// What to start for a data path.
pub(crate) fn config(data_dir: &Path) -> SupervisorConfig {
    SupervisorConfig {
        executable: std::env::current_exe().expect("this program has a path"),
        args_prefix: vec![CHILD.into()],
        library: fetch::library_path(&fetch::default_cache_dir().expect("a user has a home")),
        data_dir: data_dir.to_owned(),
        listen: "127.0.0.1:0".parse().expect("it is an address"),
    }
}

/// An engine of a test's own.
pub(crate) struct Engine {
    pub(crate) supervisor: Supervisor,
    pub(crate) dir: TempDir,
}

impl Engine {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let supervisor =
            Supervisor::start(config(&dir.path().join("data"))).await.expect("the engine starts");
        Self { supervisor, dir }
    }

    pub(crate) fn client(&self) -> clickhouse::Client {
        clickhouse::Client::default().with_url(self.supervisor.url())
    }
}

/// The URL of an engine that tests share, each with a database of its own.
pub(crate) fn shared_url() -> String {
    static SHARED: OnceLock<Engine> = OnceLock::new();
    // Statics are not dropped: the engine dies with this process.
    SHARED.get_or_init(|| block_on(Engine::start())).supervisor.url()
}

/// A client of the shared engine in a new database.
pub(crate) async fn client_in(database: &str) -> clickhouse::Client {
    let url = tokio::task::spawn_blocking(shared_url).await.expect("the shared engine starts");
    let client = clickhouse::Client::default().with_url(url);
    client.query(&format!("CREATE DATABASE {database}")).execute().await.expect("a database is made");
    client.with_database(database)
}

/// An answer as curl sees it.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// Runs curl against the shared engine.
pub(crate) fn curl(path: &str, args: &[&str]) -> Answer {
    let url = format!("{}{path}", shared_url());
    let output = Command::new("curl").args(["-sS", "-i", "-g", &url]).args(args).output().expect("curl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text is UTF-8");
    let (headers, body) = text.split_once("\r\n\r\n").expect("there are headers");
    let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("there is a status");
    Answer { status, headers: headers.to_owned(), body: body.to_owned() }
}

/// Sends bytes, ends the sending and gives all that comes back: when this returns, the server is done with it.
pub(crate) fn raw(url: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("it listens");
    stream.write_all(request).expect("it takes bytes");
    stream.shutdown(Shutdown::Write).expect("sending ends");
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Waits until no process has a data path open.
pub(crate) fn wait_until_free(data_dir: &Path) {
    let lock = OpenOptions::new().write(true).open(data_dir.join("weir.lock")).expect("there is a lock");
    lock.lock().expect("the lock can be taken");
}

/// A figure of a process in KiB, from `/proc`: `VmRSS`, `VmHWM`.
pub(crate) fn memory_kib(pid: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find(|line| line.starts_with(what)).expect("the kernel says so");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("it is a number")
}
