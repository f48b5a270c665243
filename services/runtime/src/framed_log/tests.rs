//! A log comes back as it was written: whole, torn at any byte, or damaged, which is told apart and left alone.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;

fn payloads(path: &Path) -> Vec<Vec<u8>> {
    read_from(path, 0).unwrap().map(|frame| frame.unwrap().1).collect()
}

fn write_log(path: &Path, payloads: &[Vec<u8>]) {
    let (mut log, _) = FramedLog::open(path).unwrap();
    log.append_all(payloads).unwrap();
    log.sync().unwrap();
}

/// Where each frame begins, and the end.
fn boundaries(payloads: &[Vec<u8>]) -> Vec<u64> {
    let mut at = 0;
    let ends = payloads.iter().map(|payload| {
        at += HEADER_BYTES + payload.len() as u64;
        at
    });
    std::iter::once(0).chain(ends).collect()
}

fn any_payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let bytes = prop_oneof![any::<u8>(), Just(0u8)];
    prop::collection::vec(prop::collection::vec(bytes, 0..60), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_log_cut_anywhere_keeps_every_whole_frame_and_invents_none(
        payloads_written in any_payloads(), cut in any::<prop::sample::Index>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        write_log(&path, &payloads_written);
        let ends = boundaries(&payloads_written);
        let cut = cut.index(usize::try_from(ends[ends.len() - 1]).unwrap() + 1) as u64;
        File::options().write(true).open(&path).unwrap().set_len(cut).unwrap();

        let (mut log, recovery) = FramedLog::open(&path).unwrap();

        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        prop_assert_eq!(recovery, Recovery { frames: whole as u64, dropped_bytes: cut - ends[whole] });
        log.append(b"next").unwrap();
        let mut expected = payloads_written[..whole].to_vec();
        expected.push(b"next".to_vec());
        prop_assert_eq!(payloads(&path), expected);
    }

    #[test]
    fn a_flipped_byte_is_cut_off_in_the_last_frame_and_named_anywhere_else(
        payloads_written in any_payloads(), at in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        write_log(&path, &payloads_written);
        let ends = boundaries(&payloads_written);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        std::fs::write(&path, &bytes).unwrap();
        let frame = ends.iter().filter(|end| **end <= at as u64).count() - 1;

        let opened = FramedLog::open(&path);

        if frame + 1 == payloads_written.len() {
            prop_assert_eq!(opened.unwrap().1.frames, frame as u64);
            prop_assert_eq!(payloads(&path), payloads_written[..frame].to_vec());
        } else {
            let damage = opened.unwrap_err();
            let (position_expected, next_expected) = (ends[frame], ends[frame + 1]);
            prop_assert!(
                matches!(damage, Error::Damaged { position, next, .. } if position == position_expected && next == next_expected),
                "{damage}"
            );
            prop_assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }
}

#[test]
fn zeros_after_the_last_frame_are_no_frames() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    write_log(&path, &[b"one".to_vec()]);
    File::options().append(true).open(&path).unwrap().write_all(&[0; 4096]).unwrap();
    let (_, recovery) = FramedLog::open(&path).unwrap();
    assert_eq!(recovery, Recovery { frames: 1, dropped_bytes: 4096 });
}

#[test]
fn a_reader_goes_on_where_another_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (mut log, _) = FramedLog::open(&path).unwrap();
    assert_eq!(log.append(b"one").unwrap(), 0);
    let mut frames = read_from(&path, 0).unwrap();
    assert_eq!(frames.by_ref().count(), 1);
    let second = log.append_all(["two", "three"]).unwrap();
    assert_eq!(frames.position(), second);
    let rest: Vec<_> = read_from(&path, second).unwrap().map(|frame| frame.unwrap().1).collect();
    assert_eq!(rest, [b"two".to_vec(), b"three".to_vec()]);
}

#[test]
fn a_frame_above_the_limit_is_refused_and_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (mut log, _) = FramedLog::open(&path).unwrap();
    let refused = log.append_all([b"small".to_vec(), vec![0; FRAME_BYTES_MAX + 1]]).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    log.append(b"next").unwrap();
    assert_eq!(payloads(&path), [b"next".to_vec()]);
}

#[test]
fn a_write_that_cannot_be_taken_back_poisons_the_log() {
    // Writes to /dev/full fail with ENOSPC, and it cannot be truncated.
    let (mut log, _) = FramedLog::open(Path::new("/dev/full")).unwrap();
    assert_eq!(log.append(b"one").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(log.is_poisoned());
    let refused = log.append(b"two").unwrap_err();
    assert!(refused.to_string().contains("could not be taken back"), "{refused}");
}
