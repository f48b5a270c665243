//! What a gateway must know of a request's body. The body itself is passed on as it came.

use bytes::Bytes;
use serde_json::Value;
use weir_domain::amount::Tokens;
use weir_domain::usage::Operation;

use crate::errors::Problem;
use crate::json_members::members;

/// Members that decide how a request is routed, bounded or read. One that is there twice could mean one thing to us
/// and another to the upstream.
const DECISIVE: [&str; 7] =
    ["model", "messages", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens"];

/// A body, read.
#[derive(Debug)]
pub(crate) struct RequestBody {
    /// As it came.
    pub(crate) bytes: Bytes,
    /// The model it names, if it does.
    pub(crate) model: Option<String>,
    /// Whether it asks for a stream.
    pub(crate) streamed: bool,
    /// The most output tokens it asks for, for one choice.
    pub(crate) output_max: Option<Tokens>,
    /// How many choices.
    pub(crate) choices: u64,
    /// The body as JSON, for counting.
    pub(crate) json: Value,
}

impl RequestBody {
    /// Reads a body.
    pub(crate) fn read(bytes: Bytes, operation: Operation) -> Result<Self, Problem> {
        let json: Value = serde_json::from_slice(&bytes)
            .map_err(|problem| Problem::bad_body(format!("The body is not JSON: {problem}.")))?;
        if !json.is_object() {
            return Err(Problem::bad_body("The body is not a JSON object."));
        }
        refuse_repeated(&bytes)?;
        let model = match &json["model"] {
            Value::Null => None,
            Value::String(name) => Some(name.clone()),
            _ => return Err(Problem::bad_member("model", "`model` must be a string.")),
        };
        check_input(&json, operation)?;
        Ok(Self {
            model,
            streamed: operation == Operation::ChatCompletions && json["stream"] == true,
            output_max: output_max(&json)?,
            choices: whole_number(&json, "n")?.unwrap_or(1).max(1),
            json,
            bytes,
        })
    }
}

fn refuse_repeated(bytes: &[u8]) -> Result<(), Problem> {
    let found = members(bytes).unwrap_or_default();
    for name in DECISIVE {
        if found.iter().filter(|member| member.is(bytes, name)).count() > 1 {
            return Err(Problem::bad_member(name, format!("`{name}` is there more than once.")));
        }
    }
    Ok(())
}

fn check_input(json: &Value, operation: Operation) -> Result<(), Problem> {
    match operation {
        Operation::ChatCompletions if !json["messages"].is_array() => {
            Err(Problem::bad_member("messages", "`messages` must be an array."))
        }
        Operation::Embeddings if !(json["input"].is_string() || json["input"].is_array()) => {
            Err(Problem::bad_member("input", "`input` must be a string or an array."))
        }
        Operation::ChatCompletions | Operation::Embeddings => Ok(()),
    }
}

/// The larger of both spellings: an upstream that takes both must not exceed the hold by obeying the other.
fn output_max(json: &Value) -> Result<Option<Tokens>, Problem> {
    let newer = whole_number(json, "max_completion_tokens")?;
    let older = whole_number(json, "max_tokens")?;
    Ok(newer.max(older).map(Tokens::new))
}

fn whole_number(json: &Value, name: &'static str) -> Result<Option<u64>, Problem> {
    match &json[name] {
        Value::Null => Ok(None),
        value => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(Problem::bad_member(name, format!("`{name}` must be a whole number."))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &'static str) -> Result<RequestBody, Problem> {
        RequestBody::read(Bytes::from_static(body.as_bytes()), Operation::ChatCompletions)
    }

    #[test]
    fn what_decides_is_read() {
        let body = read(
            r#"{"model":"m","messages":[],"stream":true,"max_tokens":5,"max_completion_tokens":9,"n":2}"#,
        )
        .unwrap();
        assert_eq!((body.model.as_deref(), body.streamed, body.choices), (Some("m"), true, 2));
        assert_eq!(body.output_max, Some(Tokens::new(9)));
        let body = read(r#"{"model":null,"messages":[],"stream":false,"max_tokens":null}"#).unwrap();
        assert_eq!((body.model, body.streamed, body.output_max, body.choices), (None, false, None, 1));
    }

    #[test]
    fn a_body_that_could_be_read_in_two_ways_is_refused() {
        for (body, code) in [
            ("{", "invalid_body"),
            ("[]", "invalid_body"),
            (r#"{"messages":[]} {}"#, "invalid_body"),
            (r#"{"messages":"x"}"#, "invalid_value"),
            (r#"{"messages":[],"stream":false,"str\u0065am":true}"#, "invalid_value"),
            (r#"{"messages":[],"model":1}"#, "invalid_value"),
            (r#"{"messages":[],"max_tokens":-1}"#, "invalid_value"),
            (r#"{"messages":[],"n":1.5}"#, "invalid_value"),
        ] {
            assert_eq!(read(body).unwrap_err().code(), code, "{body}");
        }
    }

    #[test]
    fn embeddings_take_every_form_of_input_and_no_stream() {
        for input in [r#""a""#, r#"["a","b"]"#, "[1,2]", "[[1],[2]]"] {
            let body = format!(r#"{{"input":{input},"encoding_format":"base64","stream":true}}"#);
            let body = RequestBody::read(Bytes::from(body), Operation::Embeddings).unwrap();
            assert!(!body.streamed);
        }
        assert!(RequestBody::read(Bytes::from_static(b"{}"), Operation::Embeddings).is_err());
    }
}
