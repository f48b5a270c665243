//! What was delivered of an answer, kept so that its tokens can be counted where the upstream does not say them.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_domain::amount::Tokens;
use weir_runtime::tokenizer::Tokenizer;

/// A text longer than this is counted and let go. Counting in two parts can be off by a token where they meet.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// The generated text of an answer, by choice and part. Never logged, never stored.
#[derive(Default)]
pub(crate) struct Delivered {
    texts: BTreeMap<(u64, Part), String>,
    /// Tokens of texts that were let go.
    counted: u64,
    pieces: u64,
}

/// The parts of a choice that are generated, each counted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Content,
    Refusal,
    Reasoning,
    FunctionArguments,
    ToolArguments(u64),
}

impl Delivered {
    /// Adds a chunk of a stream, or a whole answer. False if it is neither.
    pub(crate) fn add(&mut self, json: &[u8], tokenizer: Tokenizer) -> bool {
        let Ok(answer) = serde_json::from_slice::<Answer>(json) else { return false };
        for choice in answer.choices.unwrap_or_default() {
            let index = choice.index.unwrap_or_default();
            let Some(delta) = choice.delta else { continue };
            self.add_text((index, Part::Content), delta.content, tokenizer);
            self.add_text((index, Part::Refusal), delta.refusal, tokenizer);
            self.add_text((index, Part::Reasoning), delta.reasoning_content, tokenizer);
            let function = delta.function_call.and_then(|call| call.arguments);
            self.add_text((index, Part::FunctionArguments), function, tokenizer);
            for (place, call) in (0..).zip(delta.tool_calls.unwrap_or_default()) {
                let part = Part::ToolArguments(call.index.unwrap_or(place));
                self.add_text((index, part), call.function.and_then(|call| call.arguments), tokenizer);
            }
        }
        true
    }

    /// How many tokens the texts are.
    pub(crate) fn tokens(&self, tokenizer: Tokenizer) -> Tokens {
        let left: u64 = self.texts.values().map(|text| tokenizer.count(text)).sum();
        Tokens::new(self.counted + left)
    }

    /// How many pieces of text came: about as many as tokens, known without counting.
    pub(crate) fn pieces(&self) -> u64 {
        self.pieces
    }

    fn add_text(&mut self, place: (u64, Part), piece: Option<String>, tokenizer: Tokenizer) {
        let Some(piece) = piece.filter(|piece| !piece.is_empty()) else { return };
        self.pieces += 1;
        let text = self.texts.entry(place).or_default();
        text.push_str(&piece);
        if text.len() > TEXT_BYTES_MAX {
            self.counted += tokenizer.count(text);
            text.clear();
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    choices: Option<Vec<Choice>>,
}

#[derive(Deserialize)]
struct Choice {
    index: Option<u64>,
    #[serde(alias = "message")]
    delta: Option<Delta>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    function_call: Option<Call>,
    tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Deserialize)]
struct ToolCall {
    index: Option<u64>,
    function: Option<Call>,
}

#[derive(Deserialize)]
struct Call {
    arguments: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_domain::policy::Encoding;

    fn tokens_of(chunks: &[&str]) -> u64 {
        let tokenizer = Tokenizer::of(Encoding::O200kBase);
        let mut delivered = Delivered::default();
        for chunk in chunks {
            assert!(delivered.add(chunk.as_bytes(), tokenizer), "{chunk}");
        }
        delivered.tokens(tokenizer).get()
    }

    #[test]
    fn a_text_is_counted_whole_however_it_was_cut() {
        let tokenizer = Tokenizer::of(Encoding::O200kBase);
        let chunks = [
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"inter"}},{"index":1,"delta":{"content":"one two"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"national"},"finish_reason":"stop"}],"usage":null}"#,
            r#"{"choices":[]}"#,
        ];
        assert_eq!(tokens_of(&chunks), tokenizer.count("international") + tokenizer.count("one two"));
    }

    #[test]
    fn tool_calls_and_refusals_are_output() {
        let tokenizer = Tokenizer::of(Encoding::O200kBase);
        let chunks = [
            r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"x","function":{"name":"f","arguments":""}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{\"a\":"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"17}"}}],"refusal":"no"}}]}"#,
        ];
        assert_eq!(tokens_of(&chunks), tokenizer.count("{\"a\":17}") + tokenizer.count("no"));
    }

    #[test]
    fn a_whole_answer_is_counted_by_its_messages() {
        let tokenizer = Tokenizer::of(Encoding::O200kBase);
        let answer = r#"{"choices":[{"index":0,"message":{"content":null,"refusal":null,
            "tool_calls":[{"function":{"arguments":"{}"}},{"function":{"arguments":"{\"b\":2}"}}]}},
            {"index":1,"message":{"content":"hello world"}}]}"#;
        let expected = tokenizer.count("{}") + tokenizer.count("{\"b\":2}") + tokenizer.count("hello world");
        assert_eq!(tokens_of(&[answer]), expected);
    }

    #[test]
    fn a_text_that_grows_long_is_counted_on_the_way() {
        let tokenizer = Tokenizer::of(Encoding::O200kBase);
        let mut delivered = Delivered::default();
        let words = " word".repeat(1_000);
        let chunk = format!(r#"{{"choices":[{{"delta":{{"content":"{words}"}}}}]}}"#);
        for _ in 0..120 {
            delivered.add(chunk.as_bytes(), tokenizer);
        }
        assert!(delivered.texts.values().all(|text| text.len() <= TEXT_BYTES_MAX));
        assert_eq!(delivered.tokens(tokenizer).get(), 120_000);
    }
}
