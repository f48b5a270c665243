//! Fetching, as far as it can be tested without fetching: processes with an npm of the test's own.
//!
//! That the real one delivers is shown by all other tests, which need the library.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use weir_embedded_clickhouse::fetch;

use crate::support::FETCHER;

crate::tests![
    a_machine_without_npm_is_told_what_to_do,
    what_npm_says_is_passed_on,
    a_package_with_another_library_is_not_used,
    who_comes_second_waits_for_the_first,
];

/// Fetches into the directory and says how that went.
pub(crate) fn fetch_into(args: &[OsString]) -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let cache = args.first().expect("the directory is given");
    match fetch::ensure(Path::new(cache), &mut |_| {}) {
        Ok(library) => println!("{}", library.display()),
        Err(error) => println!("{error}"),
    }
    ExitCode::SUCCESS
}

/// Starts a process that fetches, with a directory of programs as its only ones.
fn fetcher(cache: &Path, programs: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(FETCHER).arg(cache).env("PATH", programs);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a fetch says with this script as npm.
fn fetched_with(npm: &str) -> (String, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let programs = dir.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    std::fs::write(programs.join("npm"), format!("#!/bin/sh\n{npm}\n")).unwrap();
    std::fs::set_permissions(programs.join("npm"), PermissionsExt::from_mode(0o755)).unwrap();
    let output = fetcher(dir.path(), &programs).wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), dir)
}

fn assert_says(said: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
}

fn a_machine_without_npm_is_told_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let output = fetcher(dir.path(), dir.path()).wait_with_output().unwrap();
    let place = fetch::library_path(dir.path()).display().to_string();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_says(
        &said,
        &["npm is needed once", "install Node.js with npm", "@chdb/lib-linux-x64-gnu", &place],
    );
}

fn what_npm_says_is_passed_on() {
    let (said, _dir) =
        fetched_with("echo 'npm error code E404' >&2; echo 'npm error no such package' >&2; exit 1");
    assert_says(
        &said,
        &["`npm pack @chdb/lib-linux-x64-gnu@", "code E404 / no such package", "install Node.js"],
    );
    let (said, _dir) = fetched_with("exit 0");
    assert_says(&said, &["npm wrote no package"]);
}

fn a_package_with_another_library_is_not_used() {
    let path = "PATH=/usr/bin:/bin; export PATH";
    let pack = "mkdir package && echo no > package/libchdb.so && tar czf p.tgz package";
    let (said, dir) = fetched_with(&format!("{path}; {pack}"));
    assert_says(&said, &["its SHA-256 is", "a registry that has changed it"]);
    assert!(!fetch::library_path(dir.path()).exists());
    let left: Vec<_> =
        std::fs::read_dir(fetch::library_path(dir.path()).parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "only the lock is left: {left:?}");
}

fn who_comes_second_waits_for_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let library = fetch::library_path(dir.path());
    let place = library.parent().unwrap();
    std::fs::create_dir_all(place).unwrap();
    let lock = File::create(place.join("fetch.lock")).unwrap();
    lock.lock().unwrap();
    let mut second = fetcher(dir.path(), dir.path());
    let mut line = String::new();
    BufReader::new(second.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("another process is fetching"), "{line}");
    // The first one is done: what it leaves is taken as it is, without npm.
    let real = fetch::library_path(&fetch::default_cache_dir().unwrap());
    std::fs::copy(real.with_file_name("libchdb.so.sha256"), place.join("libchdb.so.sha256")).unwrap();
    std::os::unix::fs::symlink(&real, &library).unwrap();
    drop(lock);
    let mut said = String::new();
    second.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    second.wait().unwrap();
    assert_eq!(said.trim(), library.display().to_string());
}
