//! How many tokens a request is held for: its input, counted, and the most output it can generate.
//!
//! The input is counted exactly, whatever its size: an upper bound by bytes is four times too much for usual text and
//! would refuse requests that fit. Texts take about 0.1 ms for 1,000 tokens; what is large is counted off the threads
//! that serve.

use serde_json::Value;
use weir_domain::amount::Tokens;
use weir_domain::ids::CALL_TOKENS_MAX;
use weir_domain::policy::Model;
use weir_domain::usage::Operation;
use weir_runtime::tokenizer::{Tokenizer, chat_prompt_tokens, embedding_input_tokens};

use crate::meter::Expected;
use crate::request::RequestBody;

/// Bodies above this are counted on a thread that may block.
const COUNTED_INLINE_BYTES_MAX: usize = 8 * 1024;

/// As many choices as upstreams generate for one request: `n` is at most 128 in OpenAI's and Azure's reference, and a request
/// for more is refused by them, so that nothing needs to be held for it.
const CHOICES_MAX: u64 = 128;

/// Counts a request's input and bounds its output.
pub(crate) async fn estimate(body: &mut RequestBody, operation: Operation, model: &Model) -> Expected {
    let tokenizer = Tokenizer::of(model.encoding);
    let json = std::mem::take(&mut body.json);
    let input = if body.bytes.len() <= COUNTED_INLINE_BYTES_MAX {
        input_tokens(&json, operation, tokenizer)
    } else {
        let bytes = body.bytes.len();
        let counted = tokio::task::spawn_blocking(move || input_tokens(&json, operation, tokenizer)).await;
        // No token is shorter than a byte: the bound that is left should the counting fail.
        counted.unwrap_or(Tokens::new(bytes as u64))
    };
    // Quota takes more for bad input, and this for a request that it refuses by its size.
    let held = (input + output_bound(body, operation, model)).min(CALL_TOKENS_MAX);
    Expected { input, held }
}

/// The most output there can be: what the request allows, or what the model generates at most, for each choice.
fn output_bound(body: &RequestBody, operation: Operation, model: &Model) -> Tokens {
    if operation == Operation::Embeddings {
        return Tokens::ZERO;
    }
    let of_one = match body.output_max {
        Some(asked) if model.output_max == Tokens::ZERO => asked,
        Some(asked) => asked.min(model.output_max),
        None => model.output_max,
    };
    Tokens::new(of_one.get().saturating_mul(body.choices.min(CHOICES_MAX)))
}

fn input_tokens(json: &Value, operation: Operation, tokenizer: Tokenizer) -> Tokens {
    Tokens::new(match operation {
        Operation::ChatCompletions => chat_prompt_tokens(tokenizer, json),
        Operation::Embeddings => embedding_input_tokens(tokenizer, &json["input"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use weir_domain::ids::ModelName;
    use weir_domain::policy::Encoding;

    fn model(output_max: u64) -> Model {
        let name = ModelName::try_new("m").unwrap();
        Model { name, encoding: Encoding::O200kBase, output_max: Tokens::new(output_max) }
    }

    async fn held_beyond_input(body: &str, output_max: u64) -> u64 {
        let bytes = Bytes::from(body.to_owned());
        let mut body = RequestBody::read(bytes, Operation::ChatCompletions).unwrap();
        let expected = estimate(&mut body, Operation::ChatCompletions, &model(output_max)).await;
        assert!(expected.input > Tokens::ZERO);
        expected.held.saturating_sub(expected.input).get()
    }

    #[tokio::test]
    async fn output_is_bounded_by_the_request_or_else_by_the_model() {
        assert_eq!(held_beyond_input(r#"{"messages":[]}"#, 4_096).await, 4_096);
        assert_eq!(held_beyond_input(r#"{"messages":[],"max_tokens":100}"#, 4_096).await, 100);
        assert_eq!(
            held_beyond_input(r#"{"messages":[],"max_completion_tokens":100,"n":3}"#, 4_096).await,
            300
        );
        assert_eq!(held_beyond_input(r#"{"messages":[],"max_tokens":1000000000}"#, 4_096).await, 4_096);
        assert_eq!(held_beyond_input(r#"{"messages":[],"max_tokens":100}"#, 0).await, 100);
    }

    #[tokio::test]
    async fn no_request_holds_for_more_choices_than_upstreams_generate() {
        for (choices, held) in [(128, 12_800), (129, 12_800), (u64::MAX, 12_800)] {
            let body = format!(r#"{{"messages":[],"max_tokens":100,"n":{choices}}}"#);
            assert_eq!(held_beyond_input(&body, 4_096).await, held);
        }
    }

    #[tokio::test]
    async fn no_request_asks_for_more_than_quota_takes() {
        for body in [
            r#"{"messages":[],"max_tokens":1000000000000000000}"#,
            r#"{"messages":[],"max_tokens":18446744073709551615,"n":2}"#,
        ] {
            let mut body = RequestBody::read(Bytes::from(body), Operation::ChatCompletions).unwrap();
            let expected = estimate(&mut body, Operation::ChatCompletions, &model(0)).await;
            assert_eq!(expected.held, CALL_TOKENS_MAX);
        }
    }

    #[tokio::test]
    async fn a_large_body_is_counted_exactly() {
        let text = " word".repeat(20_000);
        let bytes = Bytes::from(format!(r#"{{"input":"{text}"}}"#));
        let mut body = RequestBody::read(bytes, Operation::Embeddings).unwrap();
        let expected = estimate(&mut body, Operation::Embeddings, &model(0)).await;
        assert_eq!(expected, Expected { input: Tokens::new(20_000), held: Tokens::new(20_000) });
    }
}
