//! Meters an answer while it passes: gives back the bytes to forward, and in the end what was used.
//!
//! Without I/O and without a clock. A stream is read event by event, a whole answer by its top level.

use bytes::{Bytes, BytesMut};
use weir_domain::amount::Tokens;
use weir_domain::usage::{Operation, TokenUsage, UsageBounds, UsageSource};
use weir_runtime::tokenizer::Tokenizer;

use crate::delivered::Delivered;
use crate::gathered::Gathered;
use crate::inject::{Injected, injected};
use crate::json_members::members;
use crate::sse::{Data, Piece, Splitter};
use crate::truncated;
use crate::usage_parse::{UsageScanner, usage_of};

/// How much of a whole answer is kept to count it in case the upstream does not say its usage. Far above what 128,000
/// tokens of text take.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What an attempt used, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) usage: TokenUsage,
    pub(crate) source: UsageSource,
    pub(crate) bounds: UsageBounds,
}

/// What was known of a request before it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The input, counted.
    pub(crate) input: Tokens,
    /// The hold: input and the most output.
    pub(crate) held: Tokens,
}

impl Measured {
    /// The upstream answered an error, or was not reached: it charges nothing.
    pub(crate) fn unbilled() -> Self {
        Self::exact(TokenUsage::default(), UsageSource::Unbilled)
    }

    /// Nobody can know: all that was held, and the truth somewhere below.
    pub(crate) fn estimated(expected: Expected) -> Self {
        let input = expected.input.min(expected.held);
        let output = expected.held.saturating_sub(input);
        Self {
            usage: TokenUsage { input, output, ..TokenUsage::default() },
            source: UsageSource::Estimated,
            bounds: UsageBounds { low: Tokens::ZERO, high: expected.held },
        }
    }

    fn exact(usage: TokenUsage, source: UsageSource) -> Self {
        Self { usage, source, bounds: UsageBounds::exact(usage.total()) }
    }

    /// What was delivered. Of an answer that broke off, the upstream may have generated more, up to all that was held.
    fn counted(expected: Expected, output: Tokens, extent: Extent) -> Self {
        let usage = TokenUsage { input: expected.input, output, ..TokenUsage::default() };
        let counted = usage.total();
        let high = match extent {
            Extent::Whole => counted,
            Extent::BrokenOff => counted.max(expected.held),
        };
        Self { usage, source: UsageSource::Counted, bounds: UsageBounds { low: counted, high } }
    }
}

/// How much of an answer was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// The upstream broke off, or it was not read on.
    BrokenOff,
}

/// What kind of answer is metered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Server-sent events.
    Stream {
        /// We asked for usage, the caller did not: it is taken out again.
        injected: bool,
    },
    /// One JSON object.
    Whole(Operation),
    /// Something that cannot be read, for instance in a compression that nobody asked for.
    Opaque,
}

/// Meters one answer.
pub(crate) struct Meter {
    tokenizer: Tokenizer,
    kind: Kind,
}

enum Kind {
    Stream(Box<Stream>),
    Whole(Box<Whole>),
    Opaque,
}

impl Meter {
    /// A meter for an answer of this shape.
    pub(crate) fn new(shape: Shape, tokenizer: Tokenizer) -> Self {
        let kind = match shape {
            Shape::Stream { injected } => Kind::Stream(Box::new(Stream { injected, ..Stream::default() })),
            Shape::Whole(operation) => Kind::Whole(Box::new(Whole::new(operation))),
            Shape::Opaque => Kind::Opaque,
        };
        Self { tokenizer, kind }
    }

    /// Takes the next bytes of the answer; gives back those that can be forwarded now.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Bytes {
        match &mut self.kind {
            Kind::Stream(stream) => stream.push(chunk, self.tokenizer),
            Kind::Whole(whole) => {
                whole.push(&chunk);
                chunk
            }
            Kind::Opaque => chunk,
        }
    }

    /// The answer ended; gives back what was kept back.
    pub(crate) fn finish(&mut self) -> Bytes {
        match &mut self.kind {
            Kind::Stream(stream) => stream.finish(self.tokenizer),
            Kind::Whole(_) | Kind::Opaque => Bytes::new(),
        }
    }

    /// About how many tokens of output have passed.
    pub(crate) fn output_so_far(&self) -> u64 {
        match &self.kind {
            Kind::Stream(stream) => stream.delivered.pieces(),
            Kind::Whole(_) | Kind::Opaque => 0,
        }
    }

    /// What was used, as far as the answer went.
    pub(crate) fn measure(&self, expected: Expected, extent: Extent) -> Measured {
        match &self.kind {
            Kind::Stream(stream) => match stream.usage {
                Some(usage) => Measured::exact(usage, UsageSource::Reported),
                None => Measured::counted(expected, stream.delivered.tokens(self.tokenizer), extent),
            },
            Kind::Whole(whole) => whole.measure(expected, self.tokenizer, extent),
            Kind::Opaque => Measured::estimated(expected),
        }
    }
}

#[derive(Default)]
struct Stream {
    injected: bool,
    splitter: Splitter,
    /// Kept to reuse its memory.
    pieces: Vec<Piece>,
    usage: Option<TokenUsage>,
    delivered: Delivered,
    /// The piece before was taken out; a late line feed goes with it.
    took_out: bool,
}

impl Stream {
    fn push(&mut self, chunk: Bytes, tokenizer: Tokenizer) -> Bytes {
        let mut pieces = std::mem::take(&mut self.pieces);
        self.splitter.push(chunk.clone(), &mut pieces);
        let forward = self.pass(&mut pieces, tokenizer);
        self.pieces = pieces;
        if self.injected { forward } else { chunk }
    }

    fn finish(&mut self, tokenizer: Tokenizer) -> Bytes {
        let mut pieces = Vec::from_iter(self.splitter.finish());
        let forward = self.pass(&mut pieces, tokenizer);
        if self.injected { forward } else { Bytes::new() }
    }

    /// Reads the pieces and joins what is to be forwarded; nothing is joined where nothing is taken out.
    fn pass(&mut self, pieces: &mut Vec<Piece>, tokenizer: Tokenizer) -> Bytes {
        let mut forward = Gathered::default();
        for piece in pieces.drain(..) {
            match piece {
                Piece::Event(event) => self.event(event, tokenizer, &mut forward),
                Piece::LateLineFeed(bytes) if !self.took_out => forward.add(bytes),
                Piece::LateLineFeed(_) => {}
                Piece::Verbatim(bytes) => {
                    self.took_out = false;
                    forward.add(bytes);
                }
            }
        }
        forward.take()
    }

    fn event(&mut self, event: Bytes, tokenizer: Tokenizer, forward: &mut Gathered) {
        let data = Data::of(&event);
        self.observe(data.text(), tokenizer);
        let cut = if self.injected { injected(&data) } else { Injected::Nothing };
        self.took_out = cut == Injected::Event;
        match cut {
            Injected::Nothing => forward.add(event),
            Injected::Event => {}
            Injected::Bytes(cut) => {
                forward.add(event.slice(..cut.start));
                forward.add(event.slice(cut.end..));
            }
        }
    }

    fn observe(&mut self, data: &[u8], tokenizer: Tokenizer) {
        if data.first() != Some(&b'{') {
            return;
        }
        self.delivered.add(data, tokenizer);
        if memchr::memmem::find(data, b"usage").is_none() {
            return;
        }
        let Some(found) = members(data) else { return };
        let usage = found.iter().find(|member| member.is(data, "usage"));
        if let Some(usage) = usage.and_then(|member| usage_of(&data[member.value.clone()])) {
            self.usage = Some(self.usage.map_or(usage, |before| before.max(&usage)));
        }
    }
}

struct Whole {
    operation: Operation,
    scanner: UsageScanner,
    /// The answer, unless it is too long, or never needed.
    kept: Option<BytesMut>,
}

impl Whole {
    fn new(operation: Operation) -> Self {
        let kept = (operation == Operation::ChatCompletions).then(BytesMut::new);
        Self { operation, scanner: UsageScanner::default(), kept }
    }

    fn push(&mut self, chunk: &[u8]) {
        self.scanner.push(chunk);
        self.kept = self.kept.take().filter(|kept| kept.len() + chunk.len() <= ANSWER_BYTES_MAX);
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(chunk);
        }
    }

    fn measure(&self, expected: Expected, tokenizer: Tokenizer, extent: Extent) -> Measured {
        if let Some(usage) = self.scanner.usage() {
            return Measured::exact(usage, UsageSource::Reported);
        }
        if self.operation == Operation::Embeddings {
            return Measured::counted(expected, Tokens::ZERO, extent);
        }
        // An answer that broke off is not JSON: then what was delivered of it counts.
        let mut delivered = Delivered::default();
        let is_counted = self.kept.as_ref().is_some_and(|kept| {
            delivered.add(kept, tokenizer) || delivered.add(&truncated::close(kept), tokenizer)
        });
        if is_counted {
            Measured::counted(expected, delivered.tokens(tokenizer), extent)
        } else {
            Measured::estimated(expected)
        }
    }
}

#[cfg(test)]
#[path = "meter_tests.rs"]
mod tests;
