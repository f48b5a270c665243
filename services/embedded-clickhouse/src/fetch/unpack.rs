//! The library out of the package, hashed on its way.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::progress::{Progress, Step};
use super::{FetchError, LIBRARY_BYTES, LIBRARY_FILE, PACKAGE, VERSION, io_error};

/// What to do if a package is not what it should be.
pub(super) const HINT: &str = "npm may be set up to use a registry that has changed it";
/// Bytes copied at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// Takes the library out of a package and gives its SHA-256.
pub(super) fn library(
    package: &Path,
    to: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, FetchError> {
    let file = File::open(package).map_err(io_error("read", package))?;
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    for entry in archive.entries().map_err(io_error("unpack", package))? {
        let entry = entry.map_err(io_error("unpack", package))?;
        let is_library =
            entry.path().is_ok_and(|path| path.file_name().is_some_and(|name| name == LIBRARY_FILE));
        if is_library {
            let mut out = BufWriter::new(File::create(to).map_err(io_error("write", to))?);
            let found = copy(entry, &mut out, Step::Unpack, progress).map_err(io_error("unpack", package))?;
            let file = out.into_inner().map_err(|error| io_error("write", to)(error.into_error()))?;
            file.sync_all().map_err(io_error("write", to))?;
            return Ok(found);
        }
    }
    let (what, found) = ("content", format!("without {LIBRARY_FILE}"));
    let expected = format!("that of {PACKAGE} {VERSION}");
    Err(FetchError::Different { path: package.to_owned(), what, found, expected, hint: HINT })
}

/// Copies and gives the SHA-256 of what was copied, in hexadecimal.
pub(super) fn copy(
    mut from: impl Read,
    to: &mut dyn Write,
    step: Step,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut done_bytes = 0;
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
        done_bytes += read as u64;
        progress(Progress { step, done_bytes, total_bytes: LIBRARY_BYTES });
    }
    Ok(format!("{:x}", hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> Vec<u8> {
        let mut archive =
            tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        archive.append_data(&mut header, name, &b"abc"[..]).unwrap();
        archive.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn the_library_comes_out_with_its_checksum() {
        let dir = tempfile::tempdir().unwrap();
        let (tgz, to) = (dir.path().join("p.tgz"), dir.path().join("out"));
        std::fs::write(&tgz, package("package/libchdb.so")).unwrap();
        let found = library(&tgz, &to, &mut |_| {}).unwrap();
        assert_eq!(found, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(std::fs::read(&to).unwrap(), b"abc");
    }

    #[test]
    fn a_package_without_the_library_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let tgz = dir.path().join("p.tgz");
        std::fs::write(&tgz, package("package/readme")).unwrap();
        assert!(matches!(
            library(&tgz, &dir.path().join("out"), &mut |_| {}),
            Err(FetchError::Different { .. })
        ));
    }
}
