//! Errors in the shapes in which OpenAI and Azure answer them.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::config::Kind;
use crate::limits::{Full, Limit};

/// Whose manners an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Azure,
}

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    pub(crate) retry_after: Option<Duration>,
}

/// The fields of OpenAI's error object.
struct Fields<'a> {
    message: &'a str,
    kind: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

impl ApiError {
    /// The key is missing or wrong. It is not repeated, not even in part.
    pub(crate) fn unauthorized(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Azure => Self::azure(
                StatusCode::UNAUTHORIZED,
                "401",
                "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid \
                 key for an active subscription and use a correct regional API endpoint for your resource.",
            ),
            Dialect::OpenAi => Self::openai(
                StatusCode::UNAUTHORIZED,
                &Fields {
                    message: "Incorrect API key provided. You can find your API key at \
                              https://platform.openai.com/account/api-keys.",
                    kind: "invalid_request_error",
                    param: None,
                    code: Some("invalid_api_key"),
                },
            ),
        }
    }

    /// No such model or deployment.
    pub(crate) fn unknown_model(dialect: Dialect, model: &str) -> Self {
        match dialect {
            Dialect::Azure => Self::azure(
                StatusCode::NOT_FOUND,
                "DeploymentNotFound",
                "The API deployment for this resource does not exist. If you created the deployment within the last \
                 5 minutes, please wait a moment and try again.",
            ),
            Dialect::OpenAi => Self::openai(
                StatusCode::NOT_FOUND,
                &Fields {
                    message: &format!("The model `{model}` does not exist or you do not have access to it."),
                    kind: "invalid_request_error",
                    param: None,
                    code: Some("model_not_found"),
                },
            ),
        }
    }

    /// No such address.
    pub(crate) fn unknown_path(dialect: Dialect, method: &http::Method, path: &str) -> Self {
        match dialect {
            Dialect::Azure => Self::azure(StatusCode::NOT_FOUND, "404", "Resource not found"),
            Dialect::OpenAi => Self::openai(
                StatusCode::NOT_FOUND,
                &Fields {
                    message: &format!("Invalid URL ({method} {path})"),
                    kind: "invalid_request_error",
                    param: None,
                    code: None,
                },
            ),
        }
    }

    /// The request is not right. Both families answer this in OpenAI's shape.
    pub(crate) fn invalid(message: &str, param: Option<&str>, code: Option<&str>) -> Self {
        let kind = "invalid_request_error";
        Self::openai(StatusCode::BAD_REQUEST, &Fields { message, kind, param, code })
    }

    /// The prompt, or one input, is longer than the model reads.
    pub(crate) fn context_exceeded(field: &str, tokens_max: u64, tokens: u64) -> Self {
        let message = format!(
            "This model's maximum context length is {tokens_max} tokens. However, your {field} resulted in {tokens} \
             tokens. Please reduce the length of the {field}."
        );
        Self::invalid(&message, Some(field), Some("context_length_exceeded"))
    }

    /// The deployment does not do this.
    pub(crate) fn wrong_kind(dialect: Dialect, model: &str, kind: Kind) -> Self {
        let operation = match kind {
            Kind::Chat => "chatCompletion",
            Kind::Embeddings => "embeddings",
        };
        match dialect {
            Dialect::Azure => Self::azure(
                StatusCode::BAD_REQUEST,
                "OperationNotSupported",
                &format!(
                    "The {operation} operation does not work with the specified model, {model}. Please choose \
                     different model and try again."
                ),
            ),
            Dialect::OpenAi => {
                let message = format!("The model `{model}` does not support the {operation} operation.");
                let kind = "invalid_request_error";
                let fields = Fields { message: &message, kind, param: Some("model"), code: None };
                Self::openai(StatusCode::NOT_FOUND, &fields)
            }
        }
    }

    /// The body is larger than the settings allow.
    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let message = format!("The request body is larger than {bytes_max} bytes.");
        let kind = "invalid_request_error";
        let code = Some("request_too_large");
        Self::openai(StatusCode::PAYLOAD_TOO_LARGE, &Fields { message: &message, kind, param: None, code })
    }

    /// The deployment is full.
    pub(crate) fn full(dialect: Dialect, model: &str, full: Full) -> Self {
        let wait = full.retry_after.map_or_else(
            || "The request is larger than the limit and can never be served.".to_owned(),
            |wait| format!("Please retry after {} seconds.", wait.as_millis().div_ceil(1_000)),
        );
        let what = match full.limit {
            Limit::Tokens => "token rate limit",
            Limit::Requests => "call rate limit",
            Limit::Provisioned => "capacity of the provisioned deployment",
        };
        let message = match dialect {
            Dialect::Azure => format!("Requests to deployment {model} have exceeded the {what}. {wait}"),
            Dialect::OpenAi => format!("Rate limit reached for {model}: {what}. {wait}"),
        };
        let status = StatusCode::TOO_MANY_REQUESTS;
        let error = match dialect {
            Dialect::Azure => Self::azure(status, "429", &message),
            Dialect::OpenAi => {
                let kind = if full.limit == Limit::Requests { "requests" } else { "tokens" };
                let code = Some("rate_limit_exceeded");
                Self::openai(status, &Fields { message: &message, kind, param: None, code })
            }
        };
        Self { retry_after: full.retry_after, ..error }
    }

    /// A status that was asked for by a fault.
    pub(crate) fn fault(dialect: Dialect, status: StatusCode) -> Self {
        let reason = status.canonical_reason().unwrap_or("Error");
        match dialect {
            Dialect::Azure => Self::azure(status, status.as_str(), reason),
            Dialect::OpenAi => Self::openai(
                status,
                &Fields {
                    message: "The server had an error while processing your request. Sorry about that!",
                    kind: if status.is_server_error() { "server_error" } else { "invalid_request_error" },
                    param: None,
                    code: None,
                },
            ),
        }
    }

    fn azure(status: StatusCode, code: &str, message: &str) -> Self {
        let body = json!({"error": {"code": code, "message": message}}).to_string();
        Self { status, body, retry_after: None }
    }

    fn openai(status: StatusCode, fields: &Fields<'_>) -> Self {
        let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        let body = format!(
            "{{\n  \"error\": {{\n    \"message\": {},\n    \"type\": {},\n    \"param\": {},\n    \"code\": {}\n  }}\n}}\n",
            Value::from(fields.message),
            Value::from(fields.kind),
            text(fields.param),
            text(fields.code),
        );
        Self { status, body, retry_after: None }
    }
}
