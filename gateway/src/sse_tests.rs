//! Event streams cut anywhere, in every spelling that is seen.

use super::*;
use proptest::prelude::*;

/// Pieces of a stream that arrives in chunks of these lengths, over and over.
fn split(stream: &[u8], lengths: &[usize]) -> Vec<Piece> {
    let (mut splitter, mut pieces) = (Splitter::default(), Vec::new());
    let mut rest = Bytes::copy_from_slice(stream);
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        splitter.push(rest.split_to((*length).clamp(1, rest.len())), &mut pieces);
    }
    pieces.extend(splitter.finish());
    pieces
}

fn data_of(pieces: &[Piece]) -> Vec<String> {
    let events = pieces.iter().filter_map(|piece| match piece {
        Piece::Event(event) => Some(String::from_utf8(Data::of(event).text().to_vec()).unwrap()),
        _ => None,
    });
    events.filter(|data| !data.is_empty()).collect()
}

fn bytes_of(pieces: &[Piece]) -> Vec<u8> {
    let bytes = |piece: &Piece| match piece {
        Piece::Event(bytes) | Piece::Verbatim(bytes) | Piece::LateLineFeed(bytes) => bytes.to_vec(),
    };
    pieces.iter().flat_map(bytes).collect()
}

const STREAM: &str = "\u{feff}: hello\r\n\r\ndata: {\"a\":\"ü€\"}\r\n\r\ndata:{\"b\":1}\n\n\n: ping\nevent: x\r\
    data: one\rdata\rdata:  two\r\r\ndata: three\r\n: inside\r\n\r\ndata: [DONE]\n\n[DONE]\n\ndata: last";

#[test]
fn every_way_to_write_an_event_is_read() {
    let expected = ["{\"a\":\"ü€\"}", "{\"b\":1}", "one\n\n two", "three", "[DONE]", "last"];
    assert_eq!(data_of(&split(STREAM.as_bytes(), &[usize::MAX])), expected);
}

#[test]
fn an_event_is_complete_with_its_blank_line_and_waits_for_nothing_more() {
    for blank in ["\n\n", "\r\n\r\n", "\r\r"] {
        let (mut splitter, mut pieces) = (Splitter::default(), Vec::new());
        let event = format!("data: x{blank}");
        splitter.push(Bytes::from(event.clone()), &mut pieces);
        assert_eq!(pieces, [Piece::Event(event.into())]);
    }
}

#[test]
fn a_line_feed_that_comes_late_belongs_to_what_is_before_it() {
    let (mut splitter, mut pieces) = (Splitter::default(), Vec::new());
    splitter.push(Bytes::from_static(b"data: x\r\n\r"), &mut pieces);
    splitter.push(Bytes::from_static(b"\ndata: y\r"), &mut pieces);
    splitter.push(Bytes::from_static(b"\n\r"), &mut pieces);
    let event = |text: &'static [u8]| Piece::Event(Bytes::from_static(text));
    let late = Piece::LateLineFeed(Bytes::from_static(b"\n"));
    assert_eq!(pieces, [event(b"data: x\r\n\r"), late, event(b"data: y\r\n\r")]);
}

#[test]
fn a_comment_before_an_event_is_not_kept_back() {
    let (mut splitter, mut pieces) = (Splitter::default(), Vec::new());
    splitter.push(Bytes::from_static(b": ping\ndata: "), &mut pieces);
    assert_eq!(pieces, [Piece::Verbatim(Bytes::from_static(b": ping\n"))]);
}

#[test]
fn an_event_that_is_too_long_passes_unread_and_the_next_is_read() {
    let mut stream = b"data: ".to_vec();
    stream.resize(EVENT_BYTES_MAX * 2, b'x');
    stream.extend_from_slice(b"\ndata: more\n\ndata: next\n\n");
    for length in [usize::MAX, EVENT_BYTES_MAX / 3, EVENT_BYTES_MAX + 1, EVENT_BYTES_MAX * 2 + 1] {
        let pieces = split(&stream, &[length]);
        assert!(bytes_of(&pieces) == stream, "chunks of {length}");
        let whole = length >= stream.len();
        let read = data_of(&pieces);
        assert_eq!(read.last().map(String::as_str), Some("next"));
        assert!(whole || read.len() == 1, "chunks of {length}: {} events", read.len());
    }
}

#[test]
fn a_place_in_the_data_is_found_in_the_event() {
    let event = b"id: 1\r\ndata: {\"a\":1,\r\ndata:\"b\":2}\r\n\r\n";
    let data = Data::of(event);
    assert_eq!(data.text(), b"{\"a\":1,\n\"b\":2}");
    for (at, byte) in data.text().iter().enumerate().filter(|(_, byte)| **byte != b'\n') {
        assert_eq!(event[data.place_in_event(at)], *byte, "byte {at}");
    }
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        "data: ",
        "data:",
        "data",
        ": c",
        "event: e",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\r\n\r\n",
        "\r\r",
        "{\"ü\":1}",
        "[DONE]",
        "x",
        ":",
        " ",
    ]);
    let begins = prop::sample::select(vec!["", "\u{feff}", "\u{feff}\u{feff}"]);
    (begins, prop::collection::vec(part, 0..24))
        .prop_map(|(bom, parts)| [bom, &parts.concat()].concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_chunking_changes_bytes_or_events(
        stream in any_stream(), lengths in prop::collection::vec(1..9_usize, 1..6),
    ) {
        let whole = split(&stream, &[usize::MAX]);
        let chunked = split(&stream, &lengths);
        prop_assert_eq!(bytes_of(&chunked), stream.clone());
        prop_assert_eq!(bytes_of(&whole), stream);
        prop_assert_eq!(data_of(&chunked), data_of(&whole));
    }
}
