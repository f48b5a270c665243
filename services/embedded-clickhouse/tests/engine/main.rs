//! The embedded engine as its clients see it. Run by libtest-mimic, because this program is the child process too.
//!
//! Needs libchdb, which it fetches once. Without it the tests are reported as ignored, with the reason; on CI they fail.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "this is a test; it tells what it has measured"
)]

mod client;
mod crash;
mod curl;
mod exceptions;
mod fetching;
mod streaming;
mod supervision;
mod support;

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use tokio_util::sync::CancellationToken;
use weir_embedded_clickhouse::{ChildArgs, fetch, run_child};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        Some(first) if first == support::CHILD => child(args.collect()),
        Some(first) if first == support::FETCHER => fetching::fetch_into(&args.collect::<Vec<_>>()),
        Some(first) if first == support::PARENT => supervision::be_a_parent(&args.collect::<Vec<_>>()),
        _ => tests(),
    }
}

/// What the supervisor starts.
fn child(args: Vec<std::ffi::OsString>) -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let served =
        support::block_on(async { run_child(ChildArgs::parse(args)?, CancellationToken::new()).await });
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tests() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each engine has 250 MB; more of them at once would not be faster either.
    arguments.test_threads.get_or_insert(2);
    let cache = fetch::default_cache_dir().expect("a user has a home");
    let library = if arguments.list { Ok(fetch::library_path(&cache)) } else { library(&cache) };
    let modules = [
        client::TESTS,
        crash::TESTS,
        curl::TESTS,
        exceptions::TESTS,
        fetching::TESTS,
        streaming::TESTS,
        supervision::TESTS,
    ];
    let trials = modules.concat().into_iter().map(|(name, test)| match &library {
        Ok(_) => Trial::test(name, move || {
            test();
            Ok(())
        }),
        Err(reason) => {
            let reason = reason.clone();
            Trial::test(format!("{name} ({reason})"), move || Err(reason.into()))
                .with_ignored_flag(!support::on_ci())
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn library(cache: &Path) -> Result<std::path::PathBuf, String> {
    fetch::ensure(cache, &mut fetch::terminal()).map_err(|error| error.to_string())
}
