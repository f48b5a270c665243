//! Counting of tokens where the upstream does not: OpenAI's public encodings and their framing of chat messages.
//!
//! Framing as OpenAI's cookbook states it ("How to count tokens with tiktoken"): 3 tokens a message, 1 more for a
//! name, and 3 that prime the reply. What the cookbook leaves open is fixed here, so that everybody who counts a
//! request comes to the same number; it is not promised to be the upstream's own number where that is unpublished
//! (tools, images).

use serde_json::Value;
use tiktoken::CoreBpe;
use weir_domain::policy::Encoding;

/// Tokens around each chat message.
pub const TOKENS_PER_MESSAGE: u64 = 3;
/// Tokens for a message that carries a name, besides the name itself.
pub const TOKENS_PER_NAME: u64 = 1;
/// Tokens that prime the assistant's reply.
pub const TOKENS_PER_REPLY: u64 = 3;
/// An image in a message: a 1024 × 1024 picture in high detail, 85 + 4 × 170, as OpenAI's vision guide has it for gpt-4o.
/// Its true size is not looked up.
pub const TOKENS_PER_IMAGE: u64 = 765;
/// An image in a message with `"detail": "low"`, from the same guide.
pub const TOKENS_PER_IMAGE_LOW: u64 = 85;

/// Counts tokens of one encoding. Cheap to copy; the vocabulary is loaded once a process.
#[derive(Clone, Copy)]
pub struct Tokenizer(&'static CoreBpe);

impl Tokenizer {
    /// The tokenizer of an encoding. The first call for one loads its vocabulary (tens of milliseconds).
    pub fn of(encoding: Encoding) -> Self {
        let name = match encoding {
            Encoding::O200kBase => "o200k_base",
            Encoding::Cl100kBase => "cl100k_base",
        };
        Self(tiktoken::get_encoding(name).expect("both encodings are compiled in"))
    }

    /// How many tokens a text is. Text that looks like a special token counts as plain text.
    pub fn count(self, text: &str) -> u64 {
        self.0.count(text) as u64
    }

    /// The tokens of a text, as many as [`Self::count`] says.
    pub fn encode(self, text: &str) -> Vec<u32> {
        self.0.encode(text)
    }
}

/// One piece of a prompt, in the order in which [`chat_prompt`] visits them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptPiece<'a> {
    /// A text, counted by the tokenizer.
    Text(&'a str),
    /// Tokens that stand for something that is not text: framing, an image.
    Fixed(u64),
}

/// How many prompt tokens the body of a chat completion request is: the sum over [`chat_prompt`].
pub fn chat_prompt_tokens(tokenizer: Tokenizer, body: &Value) -> u64 {
    let mut tokens = 0;
    chat_prompt(body, &mut |piece| {
        tokens += match piece {
            PromptPiece::Text(text) => tokenizer.count(text),
            PromptPiece::Fixed(fixed) => fixed,
        }
    });
    tokens
}

/// Visits what a chat completion request makes the model read.
///
/// `tools`, `functions` and a JSON schema as response format are compact JSON and come first. Each message is
/// [`TOKENS_PER_MESSAGE`] and its fields: texts as they are; parts of `content` by their text or as an image, audio
/// and files as nothing; anything else (such as `tool_calls`) as compact JSON. Whatever is malformed is left out.
pub fn chat_prompt(body: &Value, visit: &mut impl FnMut(PromptPiece<'_>)) {
    for attached in [&body["tools"], &body["functions"], &body["response_format"]["json_schema"]] {
        visit_json(attached, visit);
    }
    for message in body["messages"].as_array().into_iter().flatten() {
        visit_message(message, visit);
    }
    visit(PromptPiece::Fixed(TOKENS_PER_REPLY));
}

/// How many tokens the `input` of an embeddings request is: a text, several texts, token numbers, or several lists of
/// token numbers. Whatever is malformed counts nothing.
pub fn embedding_input_tokens(tokenizer: Tokenizer, input: &Value) -> u64 {
    match input {
        Value::String(text) => tokenizer.count(text),
        Value::Number(_) => 1,
        Value::Array(items) => items.iter().map(|item| embedding_input_tokens(tokenizer, item)).sum(),
        _ => 0,
    }
}

fn visit_message(message: &Value, visit: &mut impl FnMut(PromptPiece<'_>)) {
    let Some(fields) = message.as_object() else { return };
    visit(PromptPiece::Fixed(TOKENS_PER_MESSAGE));
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("name", Value::String(_)) => {
                visit(PromptPiece::Fixed(TOKENS_PER_NAME));
                visit_json(value, visit);
            }
            ("content", Value::Array(parts)) => parts.iter().for_each(|part| visit_part(part, visit)),
            _ => visit_json(value, visit),
        }
    }
}

fn visit_part(part: &Value, visit: &mut impl FnMut(PromptPiece<'_>)) {
    match (part["type"].as_str(), part["image_url"]["detail"].as_str()) {
        (Some("text"), _) => visit(PromptPiece::Text(part["text"].as_str().unwrap_or_default())),
        (Some("refusal"), _) => visit(PromptPiece::Text(part["refusal"].as_str().unwrap_or_default())),
        (Some("image_url"), Some("low")) => visit(PromptPiece::Fixed(TOKENS_PER_IMAGE_LOW)),
        (Some("image_url"), _) => visit(PromptPiece::Fixed(TOKENS_PER_IMAGE)),
        _ => {}
    }
}

fn visit_json(value: &Value, visit: &mut impl FnMut(PromptPiece<'_>)) {
    match value {
        Value::Null => {}
        Value::String(text) => visit(PromptPiece::Text(text)),
        value => visit(PromptPiece::Text(&value.to_string())),
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokenizer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn known_texts_have_known_counts() {
        let o200k = Tokenizer::of(Encoding::O200kBase);
        let cl100k = Tokenizer::of(Encoding::Cl100kBase);
        assert_eq!(cl100k.count("tiktoken is great!"), 6);
        assert_eq!(o200k.count("hello world"), 2);
        assert_eq!(o200k.count(""), 0);
        assert_ne!(o200k.count("<|endoftext|>"), 1, "special tokens in a text are plain text");
    }
    #[test]
    fn a_conversation_counts_as_the_cookbook_counts_it() {
        // The example of OpenAI's cookbook; 129 for gpt-4 (cl100k_base) and 124 for gpt-4o, as the API reports them.
        let message = |name: &str, text: &str| json!({"role": "system", "name": name, "content": text});
        let body = json!({"messages": [
            {"role": "system", "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
            message("example_user", "New synergies will help drive top-line growth."),
            message("example_assistant", "Things working well together will increase revenue."),
            message("example_user", "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."),
            message("example_assistant", "Let's talk later when we're less busy about how to do better."),
            {"role": "user", "content": "This late pivot means we don't have time to boil the ocean for the client deliverable."},
        ]});
        assert_eq!(chat_prompt_tokens(Tokenizer::of(Encoding::Cl100kBase), &body), 129);
        assert_eq!(chat_prompt_tokens(Tokenizer::of(Encoding::O200kBase), &body), 124);
    }

    #[test]
    fn parts_of_a_message_count_as_their_text() {
        let tokenizer = Tokenizer::of(Encoding::O200kBase);
        let count = |content: Value| {
            chat_prompt_tokens(tokenizer, &json!({"messages": [{"role": "user", "content": content}]}))
        };
        let text = count(json!("hello world"));
        assert_eq!(text, TOKENS_PER_MESSAGE + 1 + 2 + TOKENS_PER_REPLY);
        assert_eq!(
            count(json!([{"type": "text", "text": "hello"}, {"type": "text", "text": " world"}])),
            text
        );
        let image =
            |detail: &str| json!([{"type": "image_url", "image_url": {"url": "data:,", "detail": detail}}]);
        assert_eq!(count(image("low")) + 2, text + TOKENS_PER_IMAGE_LOW);
        assert_eq!(count(image("auto")) + 2, text + TOKENS_PER_IMAGE);
    }

    #[test]
    fn tools_count_as_their_json() {
        let tokenizer = Tokenizer::of(Encoding::O200kBase);
        let tools = json!([{"type": "function", "function": {"name": "f"}}]);
        let with = chat_prompt_tokens(tokenizer, &json!({"messages": [], "tools": tools}));
        assert_eq!(with, TOKENS_PER_REPLY + tokenizer.count(&tools.to_string()));
        assert_eq!(chat_prompt_tokens(tokenizer, &json!({"tools": null})), TOKENS_PER_REPLY);
    }

    #[test]
    fn every_form_of_embedding_input_is_counted() {
        let tokenizer = Tokenizer::of(Encoding::Cl100kBase);
        let count = |input: Value| embedding_input_tokens(tokenizer, &input);
        assert_eq!(count(json!("hello world")), 2);
        assert_eq!(count(json!(["hello world", "hello"])), 3);
        assert_eq!(count(json!([15339, 1917])), 2);
        assert_eq!(count(json!([[15339, 1917], [15339]])), 3);
        assert_eq!(count(json!({"a": 1})), 0);
    }
}
