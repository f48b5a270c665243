//! Repairs what a crash in the middle of an insert leaves in the engine's records of insert tokens.
//!
//! The engine writes a block's token to its deduplication log just before it makes the block's part visible
//! (`MergeTreeSink::finishDelayedChunk`). Killed between the two, it would take the retry for a duplicate and drop it:
//! the rows would be lost without a word. So before the engine opens, tokens whose part does not exist are removed.
//! A part exists if one on disk covers its block numbers: merging keeps them.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const LOG_DIR: &str = "deduplication_logs";
const LOG_PREFIX: &str = "deduplication_log_";
/// Tables lie at `store/xyz/UUID` or `data/DATABASE/TABLE`: this many levels below the data path.
const TABLE_DEPTH: u32 = 3;

/// The block numbers of a part, whose name is `PARTITION_MIN_MAX_LEVEL` or `PARTITION_MIN_MAX_LEVEL_MUTATION`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Blocks {
    partition: String,
    min: u64,
    max: u64,
}

impl Blocks {
    fn parse(name: &str) -> Option<Self> {
        let mut fields = name.split('_');
        let partition = fields.next().filter(|partition| !partition.is_empty())?;
        let numbers: Vec<u64> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
        match numbers[..] {
            [min, max, _] | [min, max, _, _] => Some(Self { partition: partition.to_owned(), min, max }),
            _ => None,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        self.partition == other.partition && self.min <= other.min && other.max <= self.max
    }
}

/// Repairs every table of a data path that is not open. Returns how many tokens were removed.
pub(crate) fn repair(data_dir: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for table in tables(data_dir, TABLE_DEPTH)? {
        removed += repair_table(data_dir, &table)?;
    }
    Ok(removed)
}

/// Directories that have a deduplication log. Symbolic links are not followed: they lead to `store` again.
fn tables(dir: &Path, depth: u32) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        if entry.path().join(LOG_DIR).is_dir() {
            found.push(entry.path());
        } else if depth > 1 {
            found.extend(tables(&entry.path(), depth - 1)?);
        }
    }
    Ok(found)
}

fn repair_table(data_dir: &Path, table: &Path) -> io::Result<usize> {
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(table)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            parts.extend(entry.file_name().to_str().and_then(Blocks::parse));
        }
    }
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(table.join(LOG_DIR))? {
        let path = entry?.path();
        let number =
            path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.strip_prefix(LOG_PREFIX));
        if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
            logs.push((number, path));
        }
    }
    // A token dropped in a later file was added in an earlier one.
    logs.sort();
    let mut removed = 0;
    for (_, log) in &logs {
        removed += repair_log(data_dir, log, &parts)?;
    }
    Ok(removed)
}

/// Rewrites a log without the tokens of absent parts, in one step; not at all if there are none.
fn repair_log(data_dir: &Path, log: &Path, parts: &[Blocks]) -> io::Result<usize> {
    let bytes = std::fs::read(log)?;
    let text = String::from_utf8_lossy(&bytes);
    let (kept, removed) = keep(&text, parts);
    if kept.len() == text.len() {
        return Ok(0);
    }
    let mut file = tempfile::NamedTempFile::new_in(data_dir)?;
    file.write_all(kept.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(log).map_err(|error| error.error)?;
    tracing::warn!(log = %log.display(), removed, "removed insert tokens that a crash had left without their rows");
    Ok(removed)
}

/// The lines of a log that stay. A line is `OPERATION PART TOKEN`, tab-separated: 1 adds a token, 2 drops it.
fn keep(text: &str, parts: &[Blocks]) -> (String, usize) {
    let mut present: HashMap<&str, bool> = HashMap::new();
    let (mut kept, mut removed) = (String::with_capacity(text.len()), 0);
    for line in text.split_inclusive('\n') {
        let mut fields = line.split('\t');
        let (operation, part) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let whole = line.ends_with('\n') && fields.next().is_some();
        let exists = *present.entry(part).or_insert_with(|| {
            Blocks::parse(part).is_none_or(|blocks| parts.iter().any(|on_disk| on_disk.covers(&blocks)))
        });
        if whole && (operation != "1" || exists) {
            kept.push_str(line);
        } else {
            removed += 1;
        }
    }
    (kept, removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(names: &[&str]) -> Vec<Blocks> {
        names.iter().filter_map(|name| Blocks::parse(name)).collect()
    }

    #[test]
    fn a_token_without_its_part_is_removed_and_the_others_stay() {
        let log = "1\tall_1_1_0\ta\n1\tall_2_2_0\tb\n1\tall_7_7_0\tc\n2\tall_9_9_0\td\n";
        let (kept, removed) = keep(log, &parts(&["all_1_5_1", "all_8_8_0_12", "tmp_insert_all_7_7_0"]));
        assert_eq!((kept.as_str(), removed), ("1\tall_1_1_0\ta\n1\tall_2_2_0\tb\n2\tall_9_9_0\td\n", 1));
    }

    #[test]
    fn a_part_of_another_partition_does_not_count() {
        let (kept, removed) = keep("1\t202601_1_1_0\ta\n", &parts(&["202602_1_1_0"]));
        assert_eq!((kept.as_str(), removed), ("", 1));
    }

    #[test]
    fn a_line_that_was_cut_short_is_removed() {
        let (kept, removed) = keep("1\tall_1_1_0\ta\n1\tall_1_1_0\tto", &parts(&["all_1_1_0"]));
        assert_eq!((kept.as_str(), removed), ("1\tall_1_1_0\ta\n", 1));
    }

    #[test]
    fn a_log_in_which_nothing_is_wrong_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("store/abc/abc1");
        std::fs::create_dir_all(table.join(LOG_DIR)).unwrap();
        std::fs::create_dir(table.join("all_1_1_0")).unwrap();
        let log = table.join(LOG_DIR).join("deduplication_log_1.txt");
        std::fs::write(&log, "1\tall_1_1_0\ta\n").unwrap();
        assert_eq!(repair(dir.path()).unwrap(), 0);
        std::fs::remove_dir(table.join("all_1_1_0")).unwrap();
        assert_eq!(repair(dir.path()).unwrap(), 1);
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "");
    }
}
