//! The ledger's file: one JSON object a line, one write an entry, so that it survives the process (not the machine).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::ledger::Entry;

/// Why a ledger file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerFileError {
    /// It cannot be opened, read or cut.
    #[error("ledger file {path} cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line that is not the last is not an entry.
    #[error("ledger file {path}, line {line} is not a ledger entry; move the file away to begin a new one")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// An open ledger file.
#[derive(Debug)]
pub(crate) struct LedgerFile {
    path: PathBuf,
    file: File,
}

impl LedgerFile {
    /// Opens or creates the file and reads its entries. A last line that a dying process left torn is cut off.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Entry>), LedgerFileError> {
        let io = |source| LedgerFileError::Io { path: path.to_owned(), source };
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(io)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            file.set_len(whole as u64).map_err(io)?;
        }
        let lines = text[..whole].split_inclusive(|byte| *byte == b'\n').enumerate();
        let entries = lines.map(|(index, line)| {
            serde_json::from_slice(line).map_err(|source| LedgerFileError::Malformed {
                path: path.to_owned(),
                line: index + 1,
                source,
            })
        });
        let entries = entries.collect::<Result<_, _>>()?;
        Ok((Self { path: path.to_owned(), file }, entries))
    }

    /// Appends an entry. A failure is logged: the request was served all the same.
    pub(crate) fn append(&mut self, entry: &Entry) {
        let mut line = serde_json::to_vec(entry).expect("an entry is plain data");
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            tracing::error!(path = %self.path.display(), %error, "ledger entry not written to its file");
        }
    }

    /// Empties the file.
    pub(crate) fn clear(&mut self) {
        if let Err(error) = self.file.set_len(0) {
            tracing::error!(path = %self.path.display(), %error, "ledger file not emptied");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::entry;

    #[test]
    fn a_torn_last_line_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        LedgerFile::open(&path).unwrap().0.append(&entry());
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], &whole[..20]].concat()).unwrap();

        let (mut file, found) = LedgerFile::open(&path).unwrap();
        assert_eq!(found, [entry()]);
        file.append(&entry());
        assert_eq!(std::fs::read(&path).unwrap(), whole.repeat(2));
    }

    #[test]
    fn a_line_that_is_not_an_entry_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        std::fs::write(&path, "{}\n").unwrap();
        assert!(matches!(LedgerFile::open(&path), Err(LedgerFileError::Malformed { line: 1, .. })));
    }
}
