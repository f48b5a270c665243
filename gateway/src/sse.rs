//! Cuts a byte stream into server-sent events, as the HTML standard's "Server-sent events" parses them.
//!
//! Survives any chunking: bytes come out in the order they came in, none is added or lost. Only an event that is not
//! complete is kept back. Does not know what events mean.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// The longest event that is kept back until it is complete. Longer ones (no model sends any) pass unread.
pub(crate) const EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A stretch of the stream. All pieces one after the other are the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A whole event, with the blank line that ends it (the last one may lack it).
    Event(Bytes),
    /// Bytes that belong to no event: a byte-order mark, a comment before an event, an event that is too long.
    Verbatim(Bytes),
    /// The line feed of a CR LF whose CR ended the piece before: it belongs to that piece.
    LateLineFeed(Bytes),
}

/// Cuts a stream. One for each stream.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    /// The beginning of an event that is not complete.
    held: BytesMut,
    /// Where in `held` the line begins that is not complete.
    line_start: usize,
    /// The last line ended with a CR at the end of a chunk: an LF that comes next belongs to it.
    after_cr: bool,
    /// The byte-order mark, if any, is behind us.
    begun: bool,
    /// The event was too long and passes unread, up to its end.
    too_long: bool,
}

/// A line of the working bytes, and how it ended.
struct Line {
    /// The place after its text.
    end: usize,
    /// The place after its line end.
    next: usize,
    /// It ended with the CR that was the last byte there is.
    cr_at_the_end: bool,
}

impl Splitter {
    /// Takes the next bytes and adds what is complete now to `pieces`.
    pub(crate) fn push(&mut self, chunk: Bytes, pieces: &mut Vec<Piece>) {
        if chunk.is_empty() {
            return;
        }
        let goes_on = self.begun && !self.after_cr && memchr2(b'\n', b'\r', &chunk).is_none();
        if goes_on && self.held.len() + chunk.len() <= EVENT_BYTES_MAX {
            self.held.extend_from_slice(&chunk);
            return;
        }
        let Some(mut work) = self.join(chunk, pieces) else { return };
        // `line_start` counts from the beginning of `work`, which is always the beginning of an event.
        while let Some(line) = next_line(&work, self.line_start) {
            let is_first = self.line_start == 0;
            let is_blank = line.end == self.line_start;
            let is_comment = work[self.line_start] == b':';
            self.after_cr = line.cr_at_the_end;
            if is_blank {
                pieces.push(self.complete(work.split_to(line.next)));
            } else if is_first && is_comment {
                pieces.push(Piece::Verbatim(work.split_to(line.next)));
            } else {
                self.line_start = line.next;
                continue;
            }
            self.line_start = 0;
        }
        self.keep(work, pieces);
    }

    /// The stream ended: what is left is an event without the blank line.
    pub(crate) fn finish(&mut self) -> Option<Piece> {
        let rest = self.held.split().freeze();
        (!rest.is_empty()).then(|| self.complete(rest))
    }

    /// Joins what was kept back with what came, and takes off what belongs to no event. None if nothing is left.
    fn join(&mut self, chunk: Bytes, pieces: &mut Vec<Piece>) -> Option<Bytes> {
        let after_cr = std::mem::take(&mut self.after_cr) && chunk[0] == b'\n';
        let mut work = if self.held.is_empty() {
            chunk
        } else {
            self.held.extend_from_slice(&chunk);
            self.held.split().freeze()
        };
        if after_cr && self.line_start == 0 {
            pieces.push(Piece::LateLineFeed(work.split_to(1)));
        } else if after_cr {
            self.line_start += 1;
        }
        if !self.begun {
            if work.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&work) {
                self.held.extend_from_slice(&work);
                return None;
            }
            self.begun = true;
            if work.starts_with(BYTE_ORDER_MARK) {
                pieces.push(Piece::Verbatim(work.split_to(BYTE_ORDER_MARK.len())));
            }
        }
        (!work.is_empty()).then_some(work)
    }

    fn complete(&mut self, event: Bytes) -> Piece {
        if std::mem::take(&mut self.too_long) { Piece::Verbatim(event) } else { Piece::Event(event) }
    }

    /// Keeps back the beginning of an event, or lets it go if it is too long.
    fn keep(&mut self, mut rest: Bytes, pieces: &mut Vec<Piece>) {
        if rest.len() <= EVENT_BYTES_MAX {
            self.held.extend_from_slice(&rest);
            return;
        }
        self.too_long = true;
        // One byte of a line that goes on stays, so that its end is not taken for a blank line.
        let stays = usize::from(self.line_start < rest.len());
        self.held.extend_from_slice(&rest.split_off(rest.len() - stays));
        self.line_start = 0;
        pieces.push(Piece::Verbatim(rest));
    }
}

/// The line that begins at `start`, if its end has come.
fn next_line(bytes: &[u8], start: usize) -> Option<Line> {
    let end = start + memchr2(b'\n', b'\r', bytes.get(start..)?)?;
    let cr = bytes[end] == b'\r';
    let crlf = cr && bytes.get(end + 1) == Some(&b'\n');
    let next = if crlf { end + 2 } else { end + 1 };
    Some(Line { end, next, cr_at_the_end: cr && next == bytes.len() && !crlf })
}

/// What an event says: its `data` lines joined by line feeds, and where each stands in the event.
#[derive(Debug, Default)]
pub(crate) struct Data<'a> {
    text: std::borrow::Cow<'a, [u8]>,
    /// For each line: its place in `text` and its place in the event.
    lines: Vec<(usize, usize)>,
}

impl<'a> Data<'a> {
    /// Reads an event.
    pub(crate) fn of(event: &'a [u8]) -> Self {
        let mut data = Self::default();
        let mut start = 0;
        while start < event.len() {
            let line = next_line(event, start);
            let (end, next) = line.map_or((event.len(), event.len()), |line| (line.end, line.next));
            if let Some(value) = data_value(&event[start..end]) {
                data.add(event, end - value..end);
            }
            start = next;
        }
        data
    }

    /// The data.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where a place in the data stands in the event.
    pub(crate) fn place_in_event(&self, at: usize) -> usize {
        let line = self.lines.partition_point(|(in_text, _)| *in_text <= at);
        let (in_text, in_event) = self.lines[line.saturating_sub(1)];
        in_event + (at - in_text)
    }

    fn add(&mut self, event: &'a [u8], value: std::ops::Range<usize>) {
        if self.lines.is_empty() {
            self.lines.push((0, value.start));
            self.text = event[value].into();
            return;
        }
        let text = self.text.to_mut();
        text.push(b'\n');
        self.lines.push((text.len(), value.start));
        text.extend_from_slice(&event[value]);
    }
}

/// How long the value of a `data` line is, counted from its end; none if the line is something else.
fn data_value(line: &[u8]) -> Option<usize> {
    match line.strip_prefix(b"data")? {
        [] => Some(0),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value.len()),
        _ => None,
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
