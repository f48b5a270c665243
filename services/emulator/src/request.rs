//! What a request asks for, checked as OpenAI checks it: an error names the field.

use serde_json::Value;

use crate::error::ApiError;

/// A chat completion request that is right.
#[derive(Debug)]
pub(crate) struct ChatRequest {
    pub(crate) body: Value,
    pub(crate) streamed: bool,
    /// Whether a stream ends with a chunk that says what it used.
    pub(crate) include_usage: bool,
    /// Whether chunks are padded, as OpenAI does by default against guesses from their length.
    pub(crate) obfuscated: bool,
    /// How many choices.
    pub(crate) choices: usize,
    /// The request's own limit of completion tokens for each choice.
    pub(crate) output_max: Option<u64>,
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VectorFormat {
    Float,
    Base64,
}

/// An embeddings request that is right.
#[derive(Debug)]
pub(crate) struct EmbeddingsRequest {
    /// Each a text or a list of token numbers.
    pub(crate) inputs: Vec<Value>,
    pub(crate) format: VectorFormat,
    pub(crate) dimensions: Option<usize>,
}

/// OpenAI's limit of choices in a request.
const CHOICES_MAX: u64 = 128;
/// OpenAI's limit of inputs in an embeddings request.
const INPUTS_MAX: usize = 2048;
/// The longest vector any model of OpenAI's gives is 3072.
const DIMENSIONS_MAX: u64 = 3072;

/// Reads a body that must be a JSON object.
pub(crate) fn object(bytes: &[u8]) -> Result<Value, ApiError> {
    match serde_json::from_slice(bytes) {
        Ok(body @ Value::Object(_)) => Ok(body),
        Ok(_) => Err(ApiError::invalid("The JSON body of your request must be an object.", None, None)),
        Err(error) => {
            let message = format!(
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your \
                 HTTP library correctly. The JSON is not right: {error}.)"
            );
            Err(ApiError::invalid(&message, None, None))
        }
    }
}

impl ChatRequest {
    pub(crate) fn read(body: Value, reasoning: bool) -> Result<Self, ApiError> {
        check_messages(&body["messages"])?;
        if reasoning && !body["max_tokens"].is_null() {
            let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                           'max_completion_tokens' instead.";
            return Err(ApiError::invalid(message, Some("max_tokens"), Some("unsupported_parameter")));
        }
        let streamed = boolean(&body, "stream")?.unwrap_or(false);
        let options = &body["stream_options"];
        if !streamed && !options.is_null() {
            let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
            return Err(ApiError::invalid(message, Some("stream_options"), None));
        }
        let output_max = match integer(&body, "max_completion_tokens", 1, u64::MAX)? {
            None => integer(&body, "max_tokens", 1, u64::MAX)?,
            given => given,
        };
        let choices = integer(&body, "n", 1, CHOICES_MAX)?.unwrap_or(1);
        Ok(Self {
            streamed,
            include_usage: boolean(options, "include_usage")?.unwrap_or(false),
            obfuscated: boolean(options, "include_obfuscation")?.unwrap_or(true),
            choices: usize::try_from(choices).expect("at most CHOICES_MAX"),
            output_max,
            body,
        })
    }
}

impl EmbeddingsRequest {
    pub(crate) fn read(body: &Value) -> Result<Self, ApiError> {
        let format = match body["encoding_format"].as_str() {
            Some("base64") => VectorFormat::Base64,
            Some("float") => VectorFormat::Float,
            None if body["encoding_format"].is_null() => VectorFormat::Float,
            _ => {
                let message =
                    "Invalid value for 'encoding_format': supported values are 'float' and 'base64'.";
                return Err(ApiError::invalid(message, Some("encoding_format"), Some("invalid_value")));
            }
        };
        let dimensions = integer(body, "dimensions", 1, DIMENSIONS_MAX)?;
        let dimensions = dimensions.map(|length| usize::try_from(length).expect("at most DIMENSIONS_MAX"));
        Ok(Self { inputs: inputs(&body["input"])?, format, dimensions })
    }
}

fn inputs(input: &Value) -> Result<Vec<Value>, ApiError> {
    let invalid = |message: &str| Err(ApiError::invalid(message, Some("input"), Some("invalid_type")));
    let is_token = |value: &Value| value.as_u64().is_some();
    let is_tokens = |value: &Value| {
        value.as_array().is_some_and(|tokens| !tokens.is_empty() && tokens.iter().all(is_token))
    };
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    match input {
        Value::Null => Err(missing("input")),
        one if is_text(one) || is_tokens(one) => Ok(vec![one.clone()]),
        Value::Array(many) if many.is_empty() || many.len() > INPUTS_MAX => {
            invalid(&format!("Invalid 'input': expected between 1 and {INPUTS_MAX} inputs."))
        }
        Value::Array(many) if many.iter().all(|one| is_text(one) || is_tokens(one)) => Ok(many.clone()),
        _ => invalid(
            "Invalid 'input': expected a text, token numbers, or an array of either; none may be empty.",
        ),
    }
}

fn check_messages(messages: &Value) -> Result<(), ApiError> {
    let messages = match messages {
        Value::Null => return Err(missing("messages")),
        Value::Array(messages) => messages,
        other => return Err(wrong_type("messages", "an array of objects", other)),
    };
    if messages.is_empty() {
        let message = "Invalid 'messages': empty array. Expected an array with minimum length 1.";
        return Err(ApiError::invalid(message, Some("messages"), Some("empty_array")));
    }
    for (index, message) in messages.iter().enumerate() {
        let place = |field: &str| format!("messages[{index}]{field}");
        if !message.is_object() {
            return Err(wrong_type(&place(""), "an object", message));
        }
        match &message["role"] {
            Value::String(_) => {}
            Value::Null => return Err(missing(&place(".role"))),
            other => return Err(wrong_type(&place(".role"), "a string", other)),
        }
        match &message["content"] {
            Value::Null | Value::String(_) | Value::Array(_) => {}
            other => return Err(wrong_type(&place(".content"), "a string or an array of objects", other)),
        }
    }
    Ok(())
}

fn boolean(body: &Value, field: &str) -> Result<Option<bool>, ApiError> {
    match &body[field] {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(*value)),
        other => Err(wrong_type(field, "a boolean", other)),
    }
}

fn integer(body: &Value, field: &str, min: u64, max: u64) -> Result<Option<u64>, ApiError> {
    let value = &body[field];
    if value.is_null() {
        return Ok(None);
    }
    if !value.is_i64() && !value.is_u64() {
        return Err(wrong_type(field, "an integer", value));
    }
    match value.as_u64() {
        Some(number) if number > max => {
            let message =
                format!("Invalid '{field}': integer above maximum value. Expected a value <= {max}.");
            Err(ApiError::invalid(&message, Some(field), Some("integer_above_max_value")))
        }
        Some(number) if number >= min => Ok(Some(number)),
        _ => {
            let message =
                format!("Invalid '{field}': integer below minimum value. Expected a value >= {min}.");
            Err(ApiError::invalid(&message, Some(field), Some("integer_below_min_value")))
        }
    }
}

fn missing(field: &str) -> ApiError {
    let message = format!("Missing required parameter: '{field}'.");
    ApiError::invalid(&message, Some(field), Some("missing_required_parameter"))
}

fn wrong_type(field: &str, expected: &str, found: &Value) -> ApiError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let message = format!("Invalid type for '{field}': expected {expected}, but got {found} instead.");
    ApiError::invalid(&message, Some(field), Some("invalid_type"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_error_names_the_field() {
        let hello = json!([{"role": "user", "content": "hello"}]);
        for (body, field) in [
            (json!({}), "messages"),
            (json!({"messages": "hello"}), "messages"),
            (json!({"messages": []}), "messages"),
            (json!({"messages": [{"content": "hello"}]}), "messages[0].role"),
            (json!({"messages": [{"role": "user", "content": 1}]}), "messages[0].content"),
            (json!({"messages": hello, "stream": "yes"}), "stream"),
            (json!({"messages": hello, "max_tokens": 0}), "max_tokens"),
            (json!({"messages": hello, "max_completion_tokens": 1.5}), "max_completion_tokens"),
            (json!({"messages": hello, "n": 129}), "n"),
            (json!({"messages": hello, "stream_options": {"include_usage": true}}), "stream_options"),
        ] {
            let error = ChatRequest::read(body.clone(), false).expect_err(&body.to_string());
            let answer: Value = serde_json::from_str(&error.body).unwrap();
            assert_eq!(answer["error"]["param"], field, "{body}");
            assert!(answer["error"]["message"].as_str().unwrap().contains(field), "{body}");
        }
    }

    #[test]
    fn every_form_of_input_is_read() {
        let read =
            |input: Value| EmbeddingsRequest::read(&json!({"input": input})).map(|read| read.inputs.len());
        assert_eq!(read(json!("a")), Ok(1));
        assert_eq!(read(json!(["a", "b"])), Ok(2));
        assert_eq!(read(json!([1, 2, 3])), Ok(1));
        assert_eq!(read(json!([[1, 2], [3]])), Ok(2));
        for bad in
            [json!(""), json!([]), json!([[]]), json!({"a": 1}), json!(null), json!([1, "a"]), json!([-1])]
        {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
