//! The chunks of a stream as bytes, in the order of fields that OpenAI and Azure use.

use std::borrow::Cow;

use bytes::Bytes;

use crate::error::Dialect;
use crate::plan::{Choice, FinishReason, Step};
use crate::text::Vocabulary;
use crate::wire::{Envelope, FINGERPRINT, Layout, PROMPT_SAFE, SAFE, Usage};

/// Padding of OpenAI's: text and padding together are this long where the text is shorter.
const PADDING: &str = "q7Zk2LxV0bRt9mYc";

/// Writes the chunks of a stream.
#[derive(Debug)]
pub(crate) struct ChunkWriter {
    pub(crate) envelope: Envelope,
    /// Whether the client asked for usage: then every chunk but the last says `"usage":null`.
    pub(crate) include_usage: bool,
    /// Whether OpenAI's padding is added.
    pub(crate) obfuscated: bool,
    /// What the usage chunk says.
    pub(crate) usage: Usage,
}

/// What a chunk adds to its choice.
enum Delta<'a> {
    Role,
    Text(&'a str),
    End(FinishReason),
}

impl ChunkWriter {
    /// The bytes of one step; none where the connection ends.
    pub(crate) fn write(&self, step: Step, choices: &[Choice], vocabulary: &Vocabulary) -> Option<Bytes> {
        let frame = match step {
            Step::Reset => return None,
            Step::Done => return Some(Bytes::from_static(b"data: [DONE]\n\n")),
            Step::PromptFilter => format!(
                "data: {{\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":{PROMPT_SAFE}}}\n\n"
            ),
            Step::Role { choice } => self.choice(choice, &Delta::Role),
            Step::Finish { choice } => self.choice(choice, &Delta::End(choices[choice].finish_reason)),
            Step::Text { choice, from, to } => {
                let text = vocabulary.json(&choices[choice].pieces[from..to]);
                self.choice(choice, &Delta::Text(&text))
            }
            Step::Usage => self.usage(),
        };
        Some(Bytes::from(frame))
    }

    fn choice(&self, index: usize, delta: &Delta<'_>) -> String {
        let choice = match self.envelope.dialect {
            Dialect::OpenAi => delta.openai(index),
            Dialect::Azure => delta.azure(index),
        };
        let usage = if self.include_usage { ",\"usage\":null" } else { "" };
        self.chunk(&choice, usage, delta.text().len())
    }

    fn usage(&self) -> String {
        let usage = match self.envelope.dialect {
            Dialect::OpenAi => self.usage.openai(Layout::Line),
            Dialect::Azure => self.usage.azure(),
        };
        self.chunk("", &format!(",\"usage\":{usage}"), 0)
    }

    fn chunk(&self, choices: &str, usage: &str, text_bytes: usize) -> String {
        let Envelope { dialect, id, created, model_json } = &self.envelope;
        match dialect {
            Dialect::OpenAi => {
                let padding = &PADDING[text_bytes.min(PADDING.len())..];
                let padding =
                    if self.obfuscated { format!(",\"obfuscation\":\"{padding}\"") } else { String::new() };
                format!(
                    "data: {{\"id\":\"{id}\",\"object\":\"chat.completion.chunk\",\"created\":{created},\"model\":{model_json},\"service_tier\":\"default\",\"system_fingerprint\":\"{FINGERPRINT}\",\"choices\":[{choices}]{usage}{padding}}}\n\n"
                )
            }
            Dialect::Azure => format!(
                "data: {{\"choices\":[{choices}],\"created\":{created},\"id\":\"{id}\",\"model\":{model_json},\"object\":\"chat.completion.chunk\",\"system_fingerprint\":\"{FINGERPRINT}\"{usage}}}\n\n"
            ),
        }
    }
}

impl Delta<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Role | Self::End(_) => "",
        }
    }

    fn finish_reason(&self) -> &'static str {
        match self {
            Self::Role | Self::Text(_) => "null",
            Self::End(FinishReason::Stop) => "\"stop\"",
            Self::End(FinishReason::Length) => "\"length\"",
        }
    }

    fn openai(&self, index: usize) -> String {
        let finish_reason = self.finish_reason();
        let delta = self.json(r#"{"role":"assistant","content":"","refusal":null}"#);
        format!("{{\"index\":{index},\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish_reason}}}")
    }

    fn azure(&self, index: usize) -> String {
        let finish_reason = self.finish_reason();
        let delta = self.json(r#"{"content":"","refusal":null,"role":"assistant"}"#);
        let filter = if matches!(self, Self::Text(_)) { SAFE } else { "{}" };
        format!(
            "{{\"content_filter_results\":{filter},\"delta\":{delta},\"finish_reason\":{finish_reason},\"index\":{index},\"logprobs\":null}}"
        )
    }

    fn json(&self, role: &'static str) -> Cow<'static, str> {
        match self {
            Self::Role => role.into(),
            Self::Text(text) => format!("{{\"content\":\"{text}\"}}").into(),
            Self::End(_) => "{}".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_domain::policy::Encoding;
    use weir_runtime::tokenizer::Tokenizer;

    fn chunk(dialect: Dialect, include_usage: bool, step: Step) -> String {
        let vocabulary = Vocabulary::new(Tokenizer::of(Encoding::O200kBase));
        let choices = [Choice {
            pieces: vocabulary.write(1, 5),
            reasoning_tokens: 0,
            finish_reason: FinishReason::Length,
        }];
        let envelope =
            Envelope { dialect, id: "chatcmpl-1".to_owned(), created: 7, model_json: "\"m\"".to_owned() };
        let usage = Usage { prompt_tokens: 9, cached_tokens: 1, completion_tokens: 5, reasoning_tokens: 2 };
        let writer = ChunkWriter { envelope, include_usage, obfuscated: false, usage };
        let bytes = writer.write(step, &choices, &vocabulary).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_chunk_of_openai_is_written_as_openai_writes_it() {
        assert_eq!(
            chunk(Dialect::OpenAi, true, Step::Role { choice: 0 }),
            "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",\
             \"service_tier\":\"default\",\"system_fingerprint\":\"fp_weir_emulator\",\"choices\":[{\"index\":0,\
             \"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"logprobs\":null,\
             \"finish_reason\":null}],\"usage\":null}\n\n"
        );
        assert_eq!(
            chunk(Dialect::OpenAi, true, Step::Usage),
            "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",\
             \"service_tier\":\"default\",\"system_fingerprint\":\"fp_weir_emulator\",\"choices\":[],\"usage\":{\
             \"prompt_tokens\":9,\"completion_tokens\":5,\"total_tokens\":14,\"prompt_tokens_details\":{\
             \"cached_tokens\":1,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":2,\
             \"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}}\n\n"
        );
    }

    #[test]
    fn a_chunk_of_azure_is_written_as_azure_writes_it() {
        assert_eq!(
            chunk(Dialect::Azure, false, Step::Finish { choice: 0 }),
            "data: {\"choices\":[{\"content_filter_results\":{},\"delta\":{},\"finish_reason\":\"length\",\
             \"index\":0,\"logprobs\":null}],\"created\":7,\"id\":\"chatcmpl-1\",\"model\":\"m\",\
             \"object\":\"chat.completion.chunk\",\"system_fingerprint\":\"fp_weir_emulator\"}\n\n"
        );
        let text = chunk(Dialect::Azure, true, Step::Text { choice: 0, from: 0, to: 1 });
        assert!(text.contains("\"content_filter_results\":{\"hate\":"), "{text}");
        assert!(text.ends_with(",\"usage\":null}\n\n"), "{text}");
    }

    #[test]
    fn every_chunk_is_json() {
        for dialect in [Dialect::OpenAi, Dialect::Azure] {
            let text = Step::Text { choice: 0, from: 0, to: 5 };
            for step in
                [Step::PromptFilter, Step::Role { choice: 0 }, text, Step::Finish { choice: 0 }, Step::Usage]
            {
                let chunk = chunk(dialect, true, step);
                let json = chunk.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
                assert!(serde_json::from_str::<serde_json::Value>(json).is_ok(), "{json}");
            }
        }
    }
}
