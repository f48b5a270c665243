//! Whole answers as bytes, in the order of fields and with the spacing that OpenAI and Azure use.
//!
//! OpenAI prints whole answers over several lines and writes fields in an order of its own; Azure writes one line
//! with fields in alphabetical order and adds the verdicts of its content filter. Streams are in `chunk`.

use crate::error::Dialect;
use crate::plan::Choice;
use crate::text::Vocabulary;

/// Azure's verdict that a text is fine.
pub(crate) const SAFE: &str = r#"{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}"#;
/// Azure's verdict that a prompt is fine.
pub(crate) const PROMPT_SAFE: &str = r#"[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"jailbreak":{"detected":false,"filtered":false},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}]"#;
/// The fingerprint of the machine that answers.
pub(crate) const FINGERPRINT: &str = "fp_weir_emulator";

/// What is used, as an answer reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_field_names, reason = "the names of the fields in answers")]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: u64,
    pub(crate) cached_tokens: u64,
    pub(crate) completion_tokens: u64,
    pub(crate) reasoning_tokens: u64,
}

/// What every part of an answer repeats.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    pub(crate) dialect: Dialect,
    pub(crate) id: String,
    /// When the answer began, in seconds since 1970.
    pub(crate) created: i64,
    /// The model's name as answers give it, as JSON, with its quotes.
    pub(crate) model_json: String,
}

impl Envelope {
    /// A whole chat completion; without usage if there is none to report.
    pub(crate) fn completion(
        &self,
        choices: &[Choice],
        vocabulary: &Vocabulary,
        usage: Option<&Usage>,
    ) -> String {
        match self.dialect {
            Dialect::OpenAi => self.completion_openai(choices, vocabulary, usage),
            Dialect::Azure => self.completion_azure(choices, vocabulary, usage),
        }
    }

    fn completion_openai(
        &self,
        choices: &[Choice],
        vocabulary: &Vocabulary,
        usage: Option<&Usage>,
    ) -> String {
        let Self { id, created, model_json, .. } = self;
        let choices = choices.iter().enumerate().map(|(index, choice)| {
            let (text, reason) = (choice.text_json(vocabulary), choice.finish_reason.as_str());
            format!(
                "    {{\n      \"index\": {index},\n      \"message\": {{\n        \"role\": \"assistant\",\n        \
                 \"content\": \"{text}\",\n        \"refusal\": null,\n        \"annotations\": []\n      }},\n      \
                 \"logprobs\": null,\n      \"finish_reason\": \"{reason}\"\n    }}"
            )
        });
        let choices = choices.collect::<Vec<_>>().join(",\n");
        let usage = usage
            .map_or_else(String::new, |usage| format!("  \"usage\": {},\n", usage.openai(Layout::Lines)));
        format!(
            "{{\n  \"id\": \"{id}\",\n  \"object\": \"chat.completion\",\n  \"created\": {created},\n  \
             \"model\": {model_json},\n  \"choices\": [\n{choices}\n  ],\n{usage}  \
             \"service_tier\": \"default\",\n  \"system_fingerprint\": \"{FINGERPRINT}\"\n}}\n"
        )
    }

    fn completion_azure(&self, choices: &[Choice], vocabulary: &Vocabulary, usage: Option<&Usage>) -> String {
        let Self { id, created, model_json, .. } = self;
        let choices = choices.iter().enumerate().map(|(index, choice)| {
            let (text, reason) = (choice.text_json(vocabulary), choice.finish_reason.as_str());
            format!(
                "{{\"content_filter_results\":{SAFE},\"finish_reason\":\"{reason}\",\"index\":{index},\
                 \"logprobs\":null,\"message\":{{\"annotations\":[],\"content\":\"{text}\",\"refusal\":null,\
                 \"role\":\"assistant\"}}}}"
            )
        });
        let choices = choices.collect::<Vec<_>>().join(",");
        let usage = usage.map_or_else(String::new, |usage| format!(",\"usage\":{}", usage.azure()));
        format!(
            "{{\"choices\":[{choices}],\"created\":{created},\"id\":\"{id}\",\"model\":{model_json},\
             \"object\":\"chat.completion\",\"prompt_filter_results\":{PROMPT_SAFE},\
             \"system_fingerprint\":\"{FINGERPRINT}\"{usage}}}\n"
        )
    }

    /// A list of embeddings; each vector is JSON already.
    pub(crate) fn embeddings(&self, vectors: &[String], usage: Option<&Usage>) -> String {
        let items = vectors.iter().enumerate().map(|(index, vector)| {
            format!("    {{\n      \"object\": \"embedding\",\n      \"index\": {index},\n      \"embedding\": {vector}\n    }}")
        });
        let items = items.collect::<Vec<_>>().join(",\n");
        let usage = usage.map_or_else(String::new, |usage| {
            let tokens = usage.prompt_tokens;
            format!(
                ",\n  \"usage\": {{\n    \"prompt_tokens\": {tokens},\n    \"total_tokens\": {tokens}\n  }}"
            )
        });
        let model_json = &self.model_json;
        format!(
            "{{\n  \"object\": \"list\",\n  \"data\": [\n{items}\n  ],\n  \"model\": {model_json}{usage}\n}}\n"
        )
    }
}

/// Whether JSON is written over several lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Line,
    Lines,
}

impl Usage {
    pub(crate) fn total_tokens(&self) -> u64 {
        self.prompt_tokens + self.completion_tokens
    }

    pub(crate) fn openai(&self, layout: Layout) -> String {
        let Self { prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens } = self;
        let total_tokens = self.total_tokens();
        match layout {
            Layout::Line => format!(
                "{{\"prompt_tokens\":{prompt_tokens},\"completion_tokens\":{completion_tokens},\"total_tokens\":{total_tokens},\"prompt_tokens_details\":{{\"cached_tokens\":{cached_tokens},\"audio_tokens\":0}},\"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning_tokens},\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}}}"
            ),
            Layout::Lines => format!(
                "{{\n    \"prompt_tokens\": {prompt_tokens},\n    \"completion_tokens\": {completion_tokens},\n    \"total_tokens\": {total_tokens},\n    \"prompt_tokens_details\": {{\n      \"cached_tokens\": {cached_tokens},\n      \"audio_tokens\": 0\n    }},\n    \"completion_tokens_details\": {{\n      \"reasoning_tokens\": {reasoning_tokens},\n      \"audio_tokens\": 0,\n      \"accepted_prediction_tokens\": 0,\n      \"rejected_prediction_tokens\": 0\n    }}\n  }}"
            ),
        }
    }

    pub(crate) fn azure(&self) -> String {
        let Self { prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens } = self;
        let total_tokens = self.total_tokens();
        format!(
            "{{\"completion_tokens\":{completion_tokens},\"completion_tokens_details\":{{\"accepted_prediction_tokens\":0,\"audio_tokens\":0,\"reasoning_tokens\":{reasoning_tokens},\"rejected_prediction_tokens\":0}},\"prompt_tokens\":{prompt_tokens},\"prompt_tokens_details\":{{\"audio_tokens\":0,\"cached_tokens\":{cached_tokens}}},\"total_tokens\":{total_tokens}}}"
        )
    }
}
