//! Gets libchdb once and keeps it outside of the checkout.
//!
//! It comes from the npm package of its makers through npm itself, so that proxies, mirrors and credentials that the
//! machine has set up for npm are used. The library is checked against a checksum that stands here. No other file of
//! the package is kept.

mod npm;
mod progress;
mod unpack;

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

pub use progress::{Progress, Step, terminal};

/// The package that has the library.
const PACKAGE: &str = "@chdb/lib-linux-x64-gnu";
/// Its version.
const VERSION: &str = "26.7.3-stable.1";
/// SHA-256 of the library in that version.
const LIBRARY_SHA256: &str = "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5";
/// Bytes of the library.
const LIBRARY_BYTES: u64 = 566_330_096;
/// Bytes of the package as it comes.
const PACKAGE_BYTES: u64 = 177_817_999;

const LIBRARY_FILE: &str = "libchdb.so";
/// Says that the library beside it was checked, and against what.
const CHECKED_FILE: &str = "libchdb.so.sha256";

/// Why there is no library.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is none for this kind of machine.
    #[error(
        "the embedded ClickHouse exists for Linux on x86-64 with glibc only; use a ClickHouse server here"
    )]
    Platform,
    /// There is no home directory to keep it under.
    #[error("neither XDG_CACHE_HOME nor HOME says where to keep the ClickHouse library")]
    NoHome,
    /// npm could not be run.
    #[error(
        "npm is needed once to fetch the ClickHouse library, and `npm` cannot be run; {}",
        by_hand(place)
    )]
    NoNpm {
        /// Where the library belongs.
        place: PathBuf,
        /// Why it cannot be run.
        #[source]
        source: io::Error,
    },
    /// npm did not deliver.
    #[error("`{command}` failed: {reason}; {}", by_hand(place))]
    Npm {
        /// What was tried.
        command: String,
        /// What npm says.
        reason: String,
        /// Where the library belongs.
        place: PathBuf,
    },
    /// What was found is not the library.
    #[error("{} is not {PACKAGE} {VERSION}: its {what} is {found}, not {expected}; {hint}", path.display())]
    Different {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// How it is.
        found: String,
        /// How it should be.
        expected: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A file could not be read or written.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// How to do without this module.
fn by_hand(place: &Path) -> String {
    format!(
        "install Node.js with npm, or unpack `{LIBRARY_FILE}` of the npm package {PACKAGE}, version {VERSION}, to {}",
        place.display()
    )
}

/// Turns an I/O error into ours.
fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    move |source| FetchError::Io { what, path, source }
}

/// Where the library is kept if nobody says: `$XDG_CACHE_HOME/weir` or `~/.cache/weir`.
#[expect(
    clippy::disallowed_methods,
    reason = "these variables belong to the machine's user, not to Weir's settings"
)]
pub fn default_cache_dir() -> Result<PathBuf, FetchError> {
    let directory = |name| std::env::var(name).ok().map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = directory("XDG_CACHE_HOME").or_else(|| Some(directory("HOME")?.join(".cache")));
    cache.map(|cache| cache.join("weir")).ok_or(FetchError::NoHome)
}

/// The path of the library under a cache directory, whether it is there or not.
pub fn library_path(cache_dir: &Path) -> PathBuf {
    cache_dir.join(format!("chdb-{VERSION}")).join(LIBRARY_FILE)
}

/// Gives the library's path, fetching it first if need be: 180 MB to fetch, 570 MB to keep.
///
/// Blocks. If it is there and was checked before, this takes well below a millisecond. A library that was put there by
/// hand is checked once. Several processes may call this at once: one fetches, the others wait for it.
pub fn ensure(cache_dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, FetchError> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        return Err(FetchError::Platform);
    }
    let library = library_path(cache_dir);
    if was_checked(&library) {
        return Ok(library);
    }
    let directory = library.parent().expect("the path was joined from parts");
    std::fs::create_dir_all(directory).map_err(io_error("make the directory", directory))?;
    let _lock = lock(directory)?;
    if was_checked(&library) {
        return Ok(library);
    }
    if library.exists() {
        check(&library, progress)?;
    } else {
        fetch(directory, &library, progress)?;
    }
    let mark = library.with_file_name(CHECKED_FILE);
    std::fs::write(&mark, format!("{LIBRARY_SHA256}  {LIBRARY_FILE}\n")).map_err(io_error("write", &mark))?;
    Ok(library)
}

/// Whether the library is there and was checked before: its size and what stands beside it say so.
fn was_checked(library: &Path) -> bool {
    let size = std::fs::metadata(library).map(|file| file.len()).ok();
    let mark = std::fs::read_to_string(library.with_file_name(CHECKED_FILE)).unwrap_or_default();
    size == Some(LIBRARY_BYTES) && mark.split_whitespace().next() == Some(LIBRARY_SHA256)
}

/// Waits until no other process is fetching. The lock falls when the file is closed.
fn lock(directory: &Path) -> Result<File, FetchError> {
    let path = directory.join("fetch.lock");
    let open = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = open.map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => tracing::info!("another process is fetching the ClickHouse library"),
        Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
    }
    file.lock().map_err(io_error("lock", &path))?;
    Ok(file)
}

/// Checks a library that this module did not put there.
fn check(library: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), FetchError> {
    let file = File::open(library).map_err(io_error("read", library))?;
    let found =
        unpack::copy(file, &mut io::sink(), Step::Check, progress).map_err(io_error("read", library))?;
    same(library, &found, "remove it, and the right one is fetched")
}

/// Fetches the package into a directory of its own, takes the library out, checks it and moves it to its place.
fn fetch(directory: &Path, library: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), FetchError> {
    let private = tempfile::Builder::new().prefix("fetch-").tempdir_in(directory);
    let private = private.map_err(io_error("make a directory in", directory))?;
    let package = npm::pack(private.path(), library, progress)?;
    let unpacked = private.path().join(LIBRARY_FILE);
    let found = unpack::library(&package, &unpacked, progress)?;
    same(&package, &found, unpack::HINT)?;
    std::fs::rename(&unpacked, library).map_err(io_error("write", library))
}

/// Compares a checksum with the one that stands here.
fn same(path: &Path, found: &str, hint: &'static str) -> Result<(), FetchError> {
    if found == LIBRARY_SHA256 {
        return Ok(());
    }
    let (path, expected) = (path.to_owned(), LIBRARY_SHA256.to_owned());
    Err(FetchError::Different { path, what: "SHA-256", found: found.to_owned(), expected, hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_the_library_is_named_and_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let library = library_path(dir.path());
        std::fs::create_dir_all(library.parent().unwrap()).unwrap();
        std::fs::write(&library, "something else").unwrap();
        let error = ensure(dir.path(), &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains(&library.display().to_string()), "{error}");
        assert!(matches!(error, FetchError::Different { .. }), "{error}");
    }

    #[test]
    fn a_mark_alone_is_not_enough() {
        let dir = tempfile::tempdir().unwrap();
        let library = library_path(dir.path());
        std::fs::create_dir_all(library.parent().unwrap()).unwrap();
        std::fs::write(library.with_file_name(CHECKED_FILE), format!("{LIBRARY_SHA256}  {LIBRARY_FILE}\n"))
            .unwrap();
        std::fs::write(&library, "cut short").unwrap();
        assert!(!was_checked(&library));
        File::options().write(true).open(&library).unwrap().set_len(LIBRARY_BYTES).unwrap();
        assert!(was_checked(&library));
    }
}
