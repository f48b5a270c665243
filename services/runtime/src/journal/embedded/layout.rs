//! Where things are on disk: `<dir>/<topic>/<partition>/<base offset>.log`, and beside each full one its `.index`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use weir_proto::record::Topic;

use super::super::config::Partitions;
use super::super::{Error, Partition};
use crate::framed_log::sync_parent;

/// The number of partitions of a topic, as it was when the topic was made.
const PARTITIONS_FILE: &str = "partitions";
const SEGMENT_SUFFIX: &str = ".log";

/// What groups have committed.
pub(super) fn commits_path(dir: &Path) -> PathBuf {
    dir.join("commits.log")
}

/// A partition's directory.
pub(super) fn partition_dir(dir: &Path, partition: Partition) -> PathBuf {
    dir.join(partition.topic.name()).join(partition.index.to_string())
}

/// A segment's file. Twenty digits, so that names sort as numbers do.
pub(super) fn segment_path(partition_dir: &Path, base: u64) -> PathBuf {
    partition_dir.join(format!("{base:020}{SEGMENT_SUFFIX}"))
}

/// The base offsets of a partition's segments, in order.
pub(super) fn segment_bases(partition_dir: &Path) -> io::Result<Vec<u64>> {
    let mut bases = Vec::new();
    for entry in fs::read_dir(partition_dir)? {
        let name = entry?.file_name();
        let base: Option<u64> =
            name.to_str().and_then(|it| it.strip_suffix(SEGMENT_SUFFIX)).and_then(|it| it.parse().ok());
        bases.extend(base);
    }
    bases.sort_unstable();
    Ok(bases)
}

/// How many partitions a topic has, if it exists.
pub(super) fn stored_partitions(dir: &Path, topic: Topic) -> Result<Option<u32>, Error> {
    let path = dir.join(topic.name()).join(PARTITIONS_FILE);
    let failed = |reason: String| Error { operation: format!("read {}", path.display()), reason };
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| failed(format!("{text:?} is not a number"))),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(failure) => Err(failed(failure.to_string())),
    }
}

/// Makes a topic if it does not exist; otherwise checks that the settings agree with it.
pub(super) fn fix_partitions(dir: &Path, topic: Topic, settings: Partitions) -> Result<u32, Error> {
    let wanted = settings.of(topic);
    match stored_partitions(dir, topic)? {
        Some(stored) if stored == wanted => Ok(stored),
        Some(stored) => Err(Error {
            operation: format!("open {}", topic.name()),
            reason: format!(
                "it has {stored} partitions and journal.embedded.partitions says {wanted}; they are fixed once a \
                 topic exists, because keys would move: set it to {stored}, or begin with an empty directory"
            ),
        }),
        None => store_partitions(dir, topic, wanted).map(|()| wanted).map_err(|failure| Error {
            operation: format!("make {}", topic.name()),
            reason: failure.to_string(),
        }),
    }
}

fn store_partitions(dir: &Path, topic: Topic, partitions: u32) -> io::Result<()> {
    let topic_dir = dir.join(topic.name());
    fs::create_dir_all(&topic_dir)?;
    sync_parent(&topic_dir)?;
    let path = topic_dir.join(PARTITIONS_FILE);
    let unfinished = path.with_extension("new");
    let mut file = File::create(&unfinished)?;
    writeln!(file, "{partitions}")?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    sync_parent(&path)
}
