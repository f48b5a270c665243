//! The prompt cache, as OpenAI describes it: prefixes of at least 1,024 tokens, in steps of 128.
//!
//! Remembers hashes, never text. Nothing expires by time; the oldest prefixes are forgotten when there are too many.

use std::collections::HashSet;

use serde_json::Value;
use weir_runtime::tokenizer::{PromptPiece, Tokenizer, chat_prompt};

use crate::random::Seed;

const PREFIX_TOKENS_MIN: u64 = 1024;
const STEP_TOKENS: u64 = 128;
/// Remembered prefixes before the older half is forgotten: 8 MB for each deployment at most.
const PREFIXES_MAX: usize = 500_000;

/// The prefixes that one deployment has seen.
#[derive(Debug, Default)]
pub(crate) struct PromptCache {
    recent: HashSet<u64>,
    older: HashSet<u64>,
}

/// The prefixes of one prompt that can be cached, shortest first.
#[derive(Debug, Default)]
pub(crate) struct Prefixes(Vec<u64>);

impl Prefixes {
    /// The prefixes of a prompt of so many tokens.
    pub(crate) fn of(tokenizer: Tokenizer, body: &Value, prompt_tokens: u64) -> Self {
        if prompt_tokens < PREFIX_TOKENS_MIN {
            return Self::default();
        }
        let mut steps = Steps { hash: Seed::new(0), tokens: 0, found: Vec::new() };
        chat_prompt(body, &mut |piece| match piece {
            PromptPiece::Text(text) => {
                for token in tokenizer.encode(text) {
                    steps.add(token.into());
                }
            }
            PromptPiece::Fixed(tokens) => (0..tokens).for_each(|_| steps.add(FIXED)),
        });
        Self(steps.found)
    }
}

/// Stands for a token that is not text; no token of an encoding has this number.
const FIXED: u64 = u64::MAX;

struct Steps {
    hash: Seed,
    tokens: u64,
    found: Vec<u64>,
}

impl Steps {
    fn add(&mut self, token: u64) {
        self.hash = self.hash.with_number(token);
        self.tokens += 1;
        if self.tokens >= PREFIX_TOKENS_MIN && self.tokens.is_multiple_of(STEP_TOKENS) {
            self.found.push(self.hash.get());
        }
    }
}

impl PromptCache {
    /// How many tokens of the prompt were seen before. Remembers the prompt.
    pub(crate) fn look_up(&mut self, prefixes: &Prefixes) -> u64 {
        let seen = |hash: &u64| self.recent.contains(hash) || self.older.contains(hash);
        let steps = prefixes.0.iter().take_while(|hash| seen(hash)).count() as u64;
        if self.recent.len() + prefixes.0.len() > PREFIXES_MAX / 2 {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.extend(&prefixes.0);
        if steps == 0 { 0 } else { PREFIX_TOKENS_MIN + (steps - 1) * STEP_TOKENS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use weir_domain::policy::Encoding;
    use weir_runtime::tokenizer::chat_prompt_tokens;

    fn look_up(cache: &mut PromptCache, system: &str, user: &str) -> (u64, u64) {
        let tokenizer = Tokenizer::of(Encoding::O200kBase);
        let body =
            json!({"messages": [{"role": "system", "content": system}, {"role": "user", "content": user}]});
        let prompt_tokens = chat_prompt_tokens(tokenizer, &body);
        (prompt_tokens, cache.look_up(&Prefixes::of(tokenizer, &body, prompt_tokens)))
    }

    #[test]
    fn a_repeated_prompt_is_cached_in_steps_of_128() {
        let mut cache = PromptCache::default();
        let long = " water".repeat(1_500);
        assert_eq!(look_up(&mut cache, &long, "hello").1, 0);
        let (prompt_tokens, cached) = look_up(&mut cache, &long, "hello");
        assert_eq!(cached, prompt_tokens / 128 * 128);
        assert_eq!(look_up(&mut cache, &long, &" stone".repeat(300)).1, 1_408, "the part they share");
    }

    #[test]
    fn a_short_prompt_is_never_cached() {
        let mut cache = PromptCache::default();
        let short = " water".repeat(1_000);
        let (prompt_tokens, _) = look_up(&mut cache, &short, "hello");
        assert!(prompt_tokens < 1_024);
        assert_eq!(look_up(&mut cache, &short, "hello").1, 0);
    }

    #[test]
    fn a_prompt_that_begins_otherwise_is_not_cached() {
        let mut cache = PromptCache::default();
        look_up(&mut cache, &" water".repeat(1_500), "hello");
        assert_eq!(look_up(&mut cache, &format!("Now{}", " water".repeat(1_500)), "hello").1, 0);
    }
}
