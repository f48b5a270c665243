//! Reads usage as upstreams report it: the `usage` object of a chunk or of a whole answer, in any of its spellings.

use memchr::memchr2;
use serde_json::Value;
use weir_domain::amount::Tokens;
use weir_domain::usage::TokenUsage;

/// The longest usage object that is read. Real ones have a few hundred bytes.
const USAGE_BYTES_MAX: usize = 64 * 1024;
/// The longest key that is compared with `usage`; escapes make the same key longer.
const KEY_BYTES_MAX: usize = 64;

const INPUT: [&str; 2] = ["prompt_tokens_details", "input_tokens_details"];
const OUTPUT: [&str; 2] = ["completion_tokens_details", "output_tokens_details"];

/// Reads a usage object: `prompt_tokens` or `input_tokens`, `completion_tokens` or `output_tokens`, and their details.
/// None if it names no number at all.
pub(crate) fn usage_of(object: &[u8]) -> Option<TokenUsage> {
    let object: Value = serde_json::from_slice(object).ok()?;
    let count = |names: [&str; 2]| names.iter().find_map(|name| tokens(&object[*name]));
    let detail = |places: [&str; 2], name: &str| {
        places.iter().find_map(|place| tokens(&object[*place][name])).unwrap_or_default()
    };
    let total = tokens(&object["total_tokens"]);
    let (input, output) =
        (count(["prompt_tokens", "input_tokens"]), count(["completion_tokens", "output_tokens"]));
    input.or(output).or(total)?;
    let rest = |known: Tokens| total.map_or(Tokens::ZERO, |total| total.saturating_sub(known));
    let input = input.unwrap_or_else(|| rest(output.unwrap_or_default()));
    let output = output.unwrap_or_else(|| rest(input));
    Some(TokenUsage {
        input,
        input_cached: detail(INPUT, "cached_tokens"),
        input_audio: detail(INPUT, "audio_tokens"),
        output,
        output_reasoning: detail(OUTPUT, "reasoning_tokens"),
        output_audio: detail(OUTPUT, "audio_tokens"),
    })
}

fn tokens(value: &Value) -> Option<Tokens> {
    value.as_u64().map(Tokens::new)
}

/// Finds the top-level `usage` of a JSON object that arrives in chunks, however large the rest is.
#[derive(Debug, Default)]
pub(crate) struct UsageScanner {
    depth: usize,
    within: Within,
    reads: Reads,
    /// The next string at depth 1 is a key.
    expects_key: bool,
    /// The key that was read last, with its quotes.
    key: Vec<u8>,
    /// The value of `usage`.
    usage: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Within {
    #[default]
    Structure,
    String,
    /// After a backslash in a string.
    Escape,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Reads {
    #[default]
    Nothing,
    Key,
    Usage,
}

impl UsageScanner {
    /// Takes the next bytes.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        let mut at = 0;
        while at < chunk.len() {
            at += match self.within {
                Within::Structure => self.structure(chunk[at]),
                Within::String => self.string(&chunk[at..]),
                Within::Escape => {
                    self.within = Within::String;
                    self.take(&chunk[at..=at])
                }
            };
        }
    }

    /// The usage, if there was one.
    pub(crate) fn usage(&self) -> Option<TokenUsage> {
        usage_of(&self.usage)
    }

    /// Takes bytes inside a string.
    fn string(&mut self, bytes: &[u8]) -> usize {
        let Some(at) = memchr2(b'"', b'\\', bytes) else { return self.take(bytes) };
        let taken = self.take(&bytes[..=at]);
        if bytes[at] == b'\\' {
            self.within = Within::Escape;
            return taken;
        }
        self.within = Within::Structure;
        if self.reads == Reads::Key {
            self.reads = Reads::Nothing;
        }
        taken
    }

    /// Takes one byte outside of strings.
    fn structure(&mut self, byte: u8) -> usize {
        match byte {
            b'"' => {
                self.within = Within::String;
                if self.depth == 1 && std::mem::take(&mut self.expects_key) {
                    self.reads = Reads::Key;
                    self.key.clear();
                }
            }
            b'{' | b'[' => {
                self.depth += 1;
                self.expects_key = self.depth == 1 && byte == b'{';
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.reads = Reads::Nothing;
                }
            }
            b':' if self.depth == 1 => {
                if serde_json::from_slice::<String>(&self.key).is_ok_and(|key| key == "usage") {
                    self.reads = Reads::Usage;
                    self.usage.clear();
                }
                return 1;
            }
            b',' if self.depth == 1 => {
                self.reads = Reads::Nothing;
                self.expects_key = true;
            }
            _ => {}
        }
        self.take(&[byte])
    }

    /// Keeps bytes where they are wanted, within bounds; says how many were taken.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let (into, max) = match self.reads {
            Reads::Nothing => return bytes.len(),
            Reads::Key => (&mut self.key, KEY_BYTES_MAX),
            Reads::Usage => (&mut self.usage, USAGE_BYTES_MAX),
        };
        let room = max.saturating_sub(into.len());
        into.extend_from_slice(&bytes[..bytes.len().min(room)]);
        bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn usage(input: u64, output: u64) -> TokenUsage {
        TokenUsage { input: Tokens::new(input), output: Tokens::new(output), ..TokenUsage::default() }
    }

    #[test]
    fn every_spelling_of_usage_is_read() {
        let chat = br#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,
            "prompt_tokens_details":{"cached_tokens":3,"audio_tokens":2},
            "completion_tokens_details":{"reasoning_tokens":4,"audio_tokens":1}}"#;
        let expected = TokenUsage {
            input_cached: Tokens::new(3),
            input_audio: Tokens::new(2),
            output_reasoning: Tokens::new(4),
            output_audio: Tokens::new(1),
            ..usage(10, 5)
        };
        assert_eq!(usage_of(chat), Some(expected));
        assert_eq!(usage_of(br#"{"prompt_tokens":7,"total_tokens":7}"#), Some(usage(7, 0)));
        assert_eq!(
            usage_of(br#"{"input_tokens":7,"output_tokens":2,"input_tokens_details":null}"#),
            Some(usage(7, 2))
        );
        assert_eq!(usage_of(br#"{"total_tokens":9}"#), Some(usage(9, 0)));
        for none in ["null", "{}", "[]", "", r#"{"prompt_tokens":null}"#, r#"{"prompt_tokens":-1}"#] {
            assert_eq!(usage_of(none.as_bytes()), None, "{none}");
        }
    }

    const BODY: &str = r#" {"id":"x","choices":[{"message":{"content":"a \"usage\": {\"prompt_tokens\": 1} ]}"},"usage":{"prompt_tokens":2}}],
        "\u0075sage" : {"prompt_tokens":11,"completion_tokens":3,"total_tokens":14} , "other":"usage","x":{"usage":{"prompt_tokens":5}}}"#;

    proptest! {
        #[test]
        fn only_the_top_level_usage_counts_in_any_chunking(lengths in prop::collection::vec(1..40_usize, 1..6)) {
            let mut scanner = UsageScanner::default();
            let mut rest = BODY.as_bytes();
            for length in lengths.iter().cycle() {
                let (chunk, after) = rest.split_at((*length).min(rest.len()));
                scanner.push(chunk);
                rest = after;
                if rest.is_empty() { break; }
            }
            prop_assert_eq!(scanner.usage(), Some(usage(11, 3)));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut scanner = UsageScanner::default();
            scanner.push(&bytes);
            let _ = scanner.usage();
        }
    }

    #[test]
    fn a_usage_that_is_null_is_none() {
        let mut scanner = UsageScanner::default();
        scanner.push(br#"{"usage":null,"choices":[]}"#);
        assert_eq!(scanner.usage(), None);
    }
}
