//! What the embedded journal promises when it is interrupted.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, ensure};
use libtest_mimic::Trial;
use rand::Rng;
use weir_proto::record::{Record, Topic};
use weir_runtime::framed_log::{HEADER_BYTES, read_from};
use weir_runtime::journal::config::{EmbeddedConfig, Fsync, Partitions};
use weir_runtime::journal::{Journal, Offset, Partition, SharedJournal};

use crate::children::{self, APPENDERS};
use crate::engines::open;
use crate::promises::{ends, read_keys, record};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    let killed = |fsync: &'static str| {
        let name = format!("embedded::a_killed_process_loses_nothing_acknowledged::fsync_{fsync}");
        trial(&name, move || a_killed_process_loses_nothing_acknowledged(fsync))
    };
    vec![
        killed("always"),
        killed("interval"),
        killed("never"),
        trial("embedded::a_file_cut_at_any_byte_keeps_its_whole_records", a_file_cut_at_any_byte),
        trial("embedded::a_full_disk_rejects_and_the_journal_goes_on", a_full_disk),
        trial("embedded::damage_in_the_middle_is_named_and_nothing_is_changed", damage_in_the_middle),
    ]
}

const ONE_EACH: Partitions = Partitions { usage: 1, quota: 1, deadletter: 1 };
const FIRST: Partition = Partition { topic: Topic::Usage, index: 0 };

fn in_small_segments() -> EmbeddedConfig {
    EmbeddedConfig {
        fsync: Fsync::Never,
        segment_bytes: 2048,
        partitions: ONE_EACH,
        ..EmbeddedConfig::default()
    }
}

/// Everything in a partition of `weir.usage.v1`, by offset.
async fn contents(journal: &SharedJournal) -> anyhow::Result<BTreeMap<(u32, u64), Record>> {
    let all = ends(journal, Topic::Usage).await?.into_iter().map(|(it, _)| (it, Offset::ZERO));
    let read = read_keys(journal, &all.collect::<Vec<_>>(), |_| true).await?;
    Ok(read.into_iter().map(|it| ((it.partition.index, it.offset.get()), it.record)).collect())
}

async fn a_killed_process_loses_nothing_acknowledged(fsync: &str) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    // Killed three times: what it wrote before must survive the later ones too.
    let mut acknowledged = BTreeMap::new();
    for _ in 0..3 {
        let acknowledgements = rand::rng().random_range(1..600);
        kill_after(dir.path(), fsync, acknowledgements, &mut acknowledged)?;
        let journal: SharedJournal = Arc::new(open(dir.path(), &children::config(fsync)?)?);
        let found = contents(&journal).await?;
        for (place, (key, payload)) in &acknowledged {
            let record = found.get(place).with_context(|| format!("{place:?} of {key} was lost"))?;
            ensure!(
                record.key == key.as_bytes() && record.payload == payload.as_bytes(),
                "{place:?} changed"
            );
        }
        let in_flight = found.len() - acknowledged.len();
        ensure!(in_flight <= 3 * APPENDERS, "{in_flight} records that nobody appended");
    }
    Ok(())
}

type Acknowledged = BTreeMap<(u32, u64), (String, String)>;

fn kill_after(dir: &Path, fsync: &str, lines: usize, acknowledged: &mut Acknowledged) -> anyhow::Result<()> {
    let mut child = children::append_for_ever(dir, fsync)?.stdout(Stdio::piped()).spawn()?;
    let mut output = BufReader::new(child.stdout.take().context("the output is piped")?);
    let mut text = String::new();
    for _ in 0..lines {
        output.read_line(&mut text)?;
    }
    child.kill()?;
    output.read_to_string(&mut text)?;
    child.wait()?;
    // The last line may be cut off.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines() {
        acknowledged.insert(place(line)?.0, place(line)?.1);
    }
    ensure!(whole.lines().count() >= lines, "the child ended before it was killed");
    Ok(())
}

fn place(line: &str) -> anyhow::Result<((u32, u64), (String, String))> {
    let parts: Vec<_> = line.split(' ').collect();
    let [partition, offset, key, payload] = parts[..] else { anyhow::bail!("not a place: {line:?}") };
    Ok(((partition.parse()?, offset.parse()?), (key.to_owned(), payload.to_owned())))
}

async fn a_full_disk() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let output = children::fill(dir.path(), 48)?.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let acknowledged: Acknowledged =
        String::from_utf8(output.stdout)?.lines().map(place).collect::<anyhow::Result<_>>()?;
    let sizes: Vec<_> = acknowledged.values().map(|(_, payload)| payload.len()).collect();
    ensure!(sizes.contains(&1000) && sizes.last() != Some(&1000), "nothing smaller followed: {sizes:?}");

    let journal: SharedJournal = Arc::new(open(dir.path(), &EmbeddedConfig::default())?);
    let found = contents(&journal).await?;
    ensure!(found.keys().eq(acknowledged.keys()), "what was rejected is there, or what was not is missing");
    journal.append(Topic::Usage, vec![record("key", vec![b'y'; 2000])]).await?;
    Ok(())
}

/// A journal of several segments, its records, and its last segment, which has more than one record: what is damaged in it is not
/// its end.
async fn write_segments(dir: &Path) -> anyhow::Result<(Vec<Record>, PathBuf)> {
    let journal = open(dir, &in_small_segments())?;
    let mut records = Vec::new();
    loop {
        let record = record("key", vec![b'x'; rand::rng().random_range(0..300)]);
        let position = journal.append(Topic::Usage, vec![record.clone()]).await?[0];
        ensure!(position.offset.get() == records.len() as u64);
        records.push(record);
        if records.len() < 60 {
            continue;
        }
        let last = segments(dir)?.pop().context("there are segments")?;
        if read_from(&last, 0)?.count() > 1 {
            return Ok((records, last));
        }
    }
}

fn segments(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir.join(Topic::Usage.name()).join("0"))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    let mut segments: Vec<_> =
        paths.into_iter().filter(|it| it.extension().is_some_and(|it| it == "log")).collect();
    segments.sort();
    ensure!(segments.len() > 3, "{segments:?}");
    Ok(segments)
}

async fn a_file_cut_at_any_byte() -> anyhow::Result<()> {
    let original = tempfile::tempdir()?;
    let (records, last) = write_segments(original.path()).await?;
    let bytes = last.metadata()?.len();
    let frames = read_from(&last, 0)?.collect::<Result<Vec<_>, _>>()?;
    let base = records.len() - frames.len();
    let random = (0..150).map(|_| rand::rng().random_range(0..bytes));
    let boundaries = frames.iter().flat_map(|(at, _)| [*at, at + 1, at.saturating_sub(1), at + HEADER_BYTES]);
    for cut in random.chain(boundaries).chain([bytes]) {
        let whole =
            frames.iter().filter(|(at, payload)| at + HEADER_BYTES + payload.len() as u64 <= cut).count();
        let copy = tempfile::tempdir()?;
        copy_dir(original.path(), copy.path())?;
        let file = copy.path().join(last.strip_prefix(original.path())?);
        std::fs::File::options().write(true).open(file)?.set_len(cut.min(bytes))?;
        let kept = &records[..base + whole];
        goes_on_from(copy.path(), kept).await.with_context(|| format!("cut at byte {cut} of {bytes}"))?;
    }
    Ok(())
}

/// The journal holds these records, and the next one gets the next offset.
async fn goes_on_from(dir: &Path, kept: &[Record]) -> anyhow::Result<()> {
    let journal: SharedJournal = Arc::new(open(dir, &in_small_segments())?);
    let found: Vec<_> = contents(&journal).await?.into_values().collect();
    ensure!(found == kept, "{} records instead of {}", found.len(), kept.len());
    let next = record("key", "next");
    let position = journal.append(Topic::Usage, vec![next.clone()]).await?[0];
    ensure!(position.offset.get() == kept.len() as u64);
    ensure!(contents(&journal).await?.into_values().next_back() == Some(next));
    Ok(())
}

async fn damage_in_the_middle() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (_, last) = write_segments(dir.path()).await?;
    let first = segments(dir.path())?.swap_remove(0);
    for (path, opens) in [(first, true), (last, false)] {
        let whole = std::fs::read(&path)?;
        let mut damaged = whole.clone();
        damaged[10] ^= 1;
        std::fs::write(&path, &damaged)?;
        let refused = match open(dir.path(), &in_small_segments()) {
            Ok(journal) => {
                ensure!(opens, "opened with a damaged last segment");
                let mut reader = journal.read(FIRST, Offset::ZERO).await?;
                reader.next(1, crate::promises::WAIT).await.err().context("read over damage")?.to_string()
            }
            Err(refused) => refused.to_string(),
        };
        ensure!(refused.contains("damaged") && refused.contains(&path.display().to_string()), "{refused}");
        ensure!(std::fs::read(&path)? == damaged, "the damaged file was changed");
        std::fs::write(&path, &whole)?;
    }
    Ok(())
}

fn copy_dir(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let (path, target) = {
            let entry = entry?;
            (entry.path(), to.join(entry.file_name()))
        };
        if path.is_dir() {
            copy_dir(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
