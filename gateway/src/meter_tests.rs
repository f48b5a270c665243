//! Answers cut anywhere, metered and forwarded.

use super::*;
use proptest::prelude::*;
use weir_domain::policy::Encoding;

const EXPECTED: Expected = Expected { input: Tokens::new(11), held: Tokens::new(500) };

fn tokenizer() -> Tokenizer {
    Tokenizer::of(Encoding::O200kBase)
}

/// Passes bytes through a meter in chunks of these lengths, over and over.
fn pass(shape: Shape, answer: &[u8], lengths: &[usize]) -> (Vec<u8>, Measured) {
    let mut meter = Meter::new(shape, tokenizer());
    let (mut forwarded, mut rest) = (Vec::new(), Bytes::copy_from_slice(answer));
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        forwarded.extend_from_slice(&meter.push(rest.split_to((*length).clamp(1, rest.len()))));
    }
    forwarded.extend_from_slice(&meter.finish());
    (forwarded, meter.measure(EXPECTED, Extent::Whole))
}

/// A stream as an upstream would send it, with and without `include_usage`.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent ways to write the same stream")]
struct Recipe {
    texts: Vec<String>,
    line_end: &'static str,
    /// Azure's first chunk, a comment, a byte-order mark, a space after the colon.
    filter_chunk: bool,
    comments: bool,
    byte_order_mark: bool,
    space: bool,
    /// `[DONE]` with `data:`, without, or not at all.
    done: Option<bool>,
    ends_with_blank_line: bool,
    usage_first: bool,
}

impl Recipe {
    fn render(&self, include_usage: bool) -> String {
        let mut events = Vec::new();
        let null = if include_usage { "\"usage\":null" } else { "" };
        let member = |before: &str, after: &str| {
            if include_usage { format!("{before}{null}{after}") } else { String::new() }
        };
        if self.filter_chunk {
            events.push(format!(
                r#"{{"choices":[],"id":"","prompt_filter_results":[{{"prompt_index":0}}]{}}}"#,
                member(", ", "")
            ));
        }
        for text in &self.texts {
            let text = serde_json::to_string(text).unwrap();
            let choices =
                format!(r#""choices":[{{"index":0,"delta":{{"content":{text}}},"finish_reason":null}}]"#);
            events.push(if self.usage_first {
                format!("{{{}{choices}}}", member("", " , "))
            } else {
                format!(r#"{{"id":"c",{choices}{},"obfuscation":"x,\"usage\":null"}}"#, member(",", ""))
            });
        }
        if include_usage {
            events.push(
                r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}"#
                    .to_owned(),
            );
        }
        self.frame(&events)
    }

    fn frame(&self, events: &[String]) -> String {
        let space = if self.space { " " } else { "" };
        let mut lines = String::from(if self.byte_order_mark { "\u{feff}" } else { "" });
        for event in events {
            let comment = if self.comments { ": ping\n" } else { "" };
            lines.extend([comment, "data:", space, event, "\n\n"]);
        }
        match self.done {
            Some(true) => lines.extend(["data:", space, "[DONE]\n\n"]),
            Some(false) => lines += "[DONE]\n\n",
            None => {}
        }
        if !self.ends_with_blank_line && self.done.is_some() {
            lines.pop();
        }
        lines.replace('\n', self.line_end)
    }
}

fn any_recipe() -> impl Strategy<Value = Recipe> {
    let text =
        prop_oneof![".{0,12}", Just("ü€😀 data: [DONE]\n\n".to_owned()), Just("\"usage\":null".to_owned())];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let line_end = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    (prop::collection::vec(text, 0..8), line_end, flags, any::<Option<bool>>()).prop_map(
        |(texts, line_end, flags, done)| Recipe {
            texts,
            line_end,
            filter_chunk: flags.0,
            comments: false,
            byte_order_mark: flags.1,
            space: flags.2,
            done,
            ends_with_blank_line: flags.3,
            usage_first: flags.4,
        },
    )
}

fn reported(input: u64, output: u64) -> Measured {
    let usage =
        TokenUsage { input: Tokens::new(input), output: Tokens::new(output), ..TokenUsage::default() };
    Measured::exact(usage, UsageSource::Reported)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_caller_gets_what_it_would_have_got_without_our_asking(
        recipe in any_recipe(), lengths in prop::collection::vec(1..60_usize, 1..6),
    ) {
        let (forwarded, measured) = pass(Shape::Stream { injected: true }, recipe.render(true).as_bytes(), &lengths);
        prop_assert_eq!(String::from_utf8(forwarded).unwrap(), recipe.render(false));
        prop_assert_eq!(measured, reported(9, 4));
    }

    #[test]
    fn a_caller_who_asked_gets_every_byte(
        recipe in any_recipe(), comments in any::<bool>(), lengths in prop::collection::vec(1..60_usize, 1..6),
    ) {
        let stream = Recipe { comments, ..recipe }.render(true);
        let (forwarded, measured) = pass(Shape::Stream { injected: false }, stream.as_bytes(), &lengths);
        prop_assert_eq!(String::from_utf8(forwarded).unwrap(), stream);
        prop_assert_eq!(measured, reported(9, 4));
    }

    #[test]
    fn a_stream_without_usage_is_counted_alike_in_any_chunking(
        recipe in any_recipe(), injected in any::<bool>(), lengths in prop::collection::vec(1..60_usize, 1..6),
    ) {
        let stream = recipe.render(false);
        let (forwarded, measured) = pass(Shape::Stream { injected }, stream.as_bytes(), &lengths);
        prop_assert_eq!(String::from_utf8(forwarded).unwrap(), stream);
        let output = Tokens::new(tokenizer().count(&recipe.texts.concat()));
        prop_assert_eq!(measured, Measured::counted(EXPECTED, output, Extent::Whole));
    }
}

#[test]
fn events_that_are_complete_leave_at_once_and_together() {
    let mut meter = Meter::new(Shape::Stream { injected: true }, tokenizer());
    let forwarded = meter.push(Bytes::from_static(
        b"data: {\"choices\":[{}],\"usage\":null}\n\ndata: {\"id\":1}\n\ndata: {\"id",
    ));
    assert_eq!(forwarded, "data: {\"choices\":[{}]}\n\ndata: {\"id\":1}\n\n");
}

#[test]
fn of_several_usages_the_largest_of_each_counts() {
    let usage = |input: u64, output: u64| {
        format!(
            "data: {{\"choices\":[{{}}],\"usage\":{{\"prompt_tokens\":{input},\"completion_tokens\":{output}}}}}\n\n"
        )
    };
    let stream = [usage(9, 1), usage(0, 7), usage(9, 3)].concat();
    let (_, measured) = pass(Shape::Stream { injected: true }, stream.as_bytes(), &[7]);
    assert_eq!(measured, reported(9, 7));
}

#[test]
fn a_usage_chunk_that_lost_its_blank_line_counts_and_is_taken_out_all_the_same() {
    let stream = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n";
    let (forwarded, measured) = pass(Shape::Stream { injected: true }, stream.as_bytes(), &[5]);
    assert_eq!((forwarded, measured), (Vec::new(), reported(9, 4)));
}

#[test]
fn a_whole_answer_passes_untouched_and_its_usage_is_read() {
    let answer =
        br#"{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
    let (forwarded, measured) = pass(Shape::Whole(Operation::ChatCompletions), answer, &[3]);
    assert_eq!((forwarded, measured), (answer.to_vec(), reported(9, 4)));
}

#[test]
fn usage_after_a_very_long_answer_is_not_lost() {
    let vector = "0.125,".repeat(ANSWER_BYTES_MAX / 3);
    let answer =
        format!(r#"{{"data":[{{"embedding":[{vector}0]}}],"usage":{{"prompt_tokens":8,"total_tokens":8}}}}"#);
    for operation in [Operation::Embeddings, Operation::ChatCompletions] {
        let (_, measured) = pass(Shape::Whole(operation), answer.as_bytes(), &[16_384]);
        assert_eq!(measured, reported(8, 0));
    }
}

#[test]
fn an_answer_without_usage_is_counted_or_else_estimated() {
    let chat = Shape::Whole(Operation::ChatCompletions);
    let counted = |output| Measured::counted(EXPECTED, Tokens::new(output), Extent::Whole);
    assert_eq!(pass(chat, br#"{"choices":[{"message":{"content":"hello world"}}]}"#, &[9]).1, counted(2));
    assert_eq!(pass(Shape::Whole(Operation::Embeddings), br#"{"data":[]}"#, &[9]).1, counted(0));
    assert_eq!(pass(chat, br#"{"choices":[{"message":{"content":"hello world"#, &[9]).1, counted(2));
    assert_eq!(pass(chat, b"<html>", &[9]).1, Measured::estimated(EXPECTED));
    assert_eq!(pass(chat, b"", &[9]).1, Measured::estimated(EXPECTED));
    let estimate = pass(Shape::Opaque, b"\x1f\x8b", &[9]).1;
    assert_eq!(estimate.usage.total(), EXPECTED.held);
    assert_eq!(estimate.bounds, UsageBounds { low: Tokens::ZERO, high: EXPECTED.held });
}

#[test]
fn what_broke_off_is_counted_as_delivered_and_bounded_by_the_hold() {
    let stream = r#"data: {"choices":[{"delta":{"content":"hello world"}}]}"#.to_owned() + "\n\n";
    let whole = r#"{"choices":[{"message":{"content":"hello world"#;
    for (shape, answer) in [
        (Shape::Stream { injected: true }, stream.as_str()),
        (Shape::Whole(Operation::ChatCompletions), whole),
    ] {
        let mut meter = Meter::new(shape, tokenizer());
        meter.push(Bytes::copy_from_slice(answer.as_bytes()));
        meter.finish();
        let measured = meter.measure(EXPECTED, Extent::BrokenOff);
        assert_eq!((measured.usage.total().get(), measured.source), (13, UsageSource::Counted));
        assert_eq!(measured.bounds, UsageBounds { low: Tokens::new(13), high: EXPECTED.held });
        let smaller_hold = Expected { held: Tokens::new(5), ..EXPECTED };
        let measured = meter.measure(smaller_hold, Extent::BrokenOff);
        assert_eq!(measured.bounds, UsageBounds::exact(Tokens::new(13)));
    }
}
