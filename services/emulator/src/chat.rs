//! Chat completions, whole and streamed.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;
use uuid::Uuid;
use weir_runtime::tokenizer::chat_prompt_tokens;

use crate::body::{self, AnswerBody, BrokenOff, Gzip};
use crate::call::{Admission, Call, Whole, response};
use crate::chunk::ChunkWriter;
use crate::delivery::Delivery;
use crate::emulator::Deployed;
use crate::error::{ApiError, Dialect};
use crate::faults::Injected;
use crate::headers::{self, MediaType};
use crate::ledger::Operation;
use crate::limits::Remaining;
use crate::pacer::Pacer;
use crate::plan::{self, Choice, Frame, Step};
use crate::request::ChatRequest;
use crate::serving::Serving;
use crate::wire::Usage;

/// Answers a chat completion request.
pub(crate) async fn answer(call: Call, body: Value) -> Result<Response<AnswerBody>, ApiError> {
    let config = &call.deployed.config;
    let request = ChatRequest::read(body, config.reasoning_share > 0.0)?;
    let (injected, draws) = call.faults()?;
    let prompt_tokens = chat_prompt_tokens(call.deployed.tokenizer, &request.body);
    if prompt_tokens > config.context_tokens_max {
        return Err(ApiError::context_exceeded("messages", config.context_tokens_max, prompt_tokens));
    }
    let author = call.deployed.author(call.emulator.config.seed);
    let choices = author.choices(&request, injected.output_tokens);
    let mut usage = usage(prompt_tokens, &choices);
    let serving = call.begin(Operation::ChatCompletions, request.streamed);
    let estimate = estimate(&request, &usage);
    let (mut serving, remaining) = match call.admit(serving, &injected, estimate) {
        Admission::Admitted(serving, remaining) => (serving, remaining),
        Admission::Refused(refused) => return Ok(refused),
    };
    usage.cached_tokens = call.deployed.cached_tokens(&request.body, prompt_tokens);
    serving.admit(estimate, usage);
    let mut pacer = Pacer::new(call.deployed.config.pacing, draws);
    pacer.first_token(usage.reasoning_tokens, injected.delay).await;
    serving.reasoned();
    let generation = Generation { call, request, injected, choices, usage, remaining, pacer, serving };
    Ok(if generation.request.streamed { generation.stream() } else { generation.whole().await })
}

fn usage(prompt_tokens: u64, choices: &[Choice]) -> Usage {
    let reasoning_tokens = choices.iter().map(|choice| choice.reasoning_tokens).sum();
    let text_tokens: u64 = choices.iter().map(|choice| choice.pieces.len() as u64).sum();
    Usage {
        prompt_tokens,
        cached_tokens: 0,
        completion_tokens: reasoning_tokens + text_tokens,
        reasoning_tokens,
    }
}

/// What a limit takes for a request before it is served: its prompt, and the most it allows itself.
fn estimate(request: &ChatRequest, usage: &Usage) -> u64 {
    let output =
        request.output_max.map_or(usage.completion_tokens, |max| max.saturating_mul(request.choices as u64));
    usage.prompt_tokens.saturating_add(output)
}

/// An answer that is being generated.
struct Generation {
    call: Call,
    request: ChatRequest,
    injected: Injected,
    choices: Vec<Choice>,
    usage: Usage,
    remaining: Remaining,
    pacer: Pacer,
    serving: Serving,
}

impl Generation {
    fn steps(&self) -> Vec<Step> {
        let frame = Frame {
            prompt_filter: self.call.dialect == Dialect::Azure,
            usage: self.request.include_usage && !self.injected.omit_usage,
            reset: self.injected.reset,
            tokens_per_chunk: self.call.deployed.config.pacing.tokens_per_chunk,
        };
        plan::steps(&self.choices, frame)
    }

    fn stream(self) -> Response<AnswerBody> {
        let steps = self.steps();
        let mut headers = self.call.head(MediaType::EventStream, Some(self.remaining));
        let gzip = self.injected.gzip.then(|| {
            headers::add_gzip(&mut headers);
            Gzip::new()
        });
        let writer = ChunkWriter {
            envelope: self.call.envelope(completion_id()),
            include_usage: self.request.include_usage,
            obfuscated: self.request.obfuscated,
            usage: self.usage,
        };
        let stream = Stream {
            steps: steps.into_iter(),
            choices: self.choices,
            deployed: self.call.deployed,
            delivery: self.call.delivery,
            writer,
            gzip,
            pacer: self.pacer,
            serving: self.serving,
        };
        let body = body::frames(Some(Box::new(stream)), |stream| async move { stream?.next().await });
        response(StatusCode::OK, headers, body)
    }

    async fn whole(mut self) -> Response<AnswerBody> {
        let steps = self.steps();
        for step in &steps {
            if let Step::Text { from, to, .. } = step {
                self.pacer.tokens((to - from) as u64).await;
                self.serving.generated(to - from);
            }
        }
        let usage = (!self.injected.omit_usage).then_some(&self.usage);
        let envelope = self.call.envelope(completion_id());
        let text = envelope.completion(&self.choices, &self.call.deployed.vocabulary, usage);
        let answer = Whole { text, gzip: self.injected.gzip, remaining: self.remaining };
        if steps.contains(&Step::Reset) {
            return self.fragment(answer, &steps);
        }
        if usage.is_some() {
            self.serving.reported();
        }
        self.call.whole(self.serving, answer)
    }

    /// Cuts the answer within the first choice's text, where the steps break off.
    fn fragment(self, mut answer: Whole, steps: &[Step]) -> Response<AnswerBody> {
        let sent = steps.iter().filter_map(|step| match step {
            Step::Text { choice: 0, to, .. } => Some(*to),
            _ => None,
        });
        let sent = sent.max().unwrap_or(0);
        let text = self.call.deployed.vocabulary.json(&self.choices[0].pieces[..sent]);
        let begins = content_begins(&answer.text);
        answer.text.truncate(begins + text.len());
        self.call.fragment(self.serving, answer, sent as u64)
    }
}

/// Where the text of the first choice begins in a whole answer.
fn content_begins(answer: &str) -> usize {
    const CONTENT: &str = "\"content\":";
    let after_key = answer.find(CONTENT).expect("every completion has a content") + CONTENT.len();
    after_key + answer[after_key..].find('"').expect("a content is a text") + 1
}

fn completion_id() -> String {
    format!("chatcmpl-{}", Uuid::new_v4().simple())
}

/// A stream that is being generated.
struct Stream {
    steps: std::vec::IntoIter<Step>,
    choices: Vec<Choice>,
    deployed: Arc<Deployed>,
    delivery: Arc<Delivery>,
    writer: ChunkWriter,
    gzip: Option<Gzip>,
    pacer: Pacer,
    serving: Serving,
}

type Next = (Result<Bytes, BrokenOff>, Option<Box<Stream>>);

impl Stream {
    /// The next frame, when it is due.
    async fn next(mut self: Box<Self>) -> Option<Next> {
        let Some(step) = self.steps.next() else {
            self.delivery.hand_over(self.serving);
            return None;
        };
        match step {
            Step::Text { from, to, .. } => {
                self.pacer.tokens((to - from) as u64).await;
                self.serving.generated(to - from);
            }
            Step::Usage => self.serving.reported(),
            Step::PromptFilter | Step::Role { .. } | Step::Finish { .. } | Step::Done | Step::Reset => {}
        }
        let Some(frame) = self.writer.write(step, &self.choices, &self.deployed.vocabulary) else {
            self.delivery.flushed().await;
            let text_tokens = self.serving.text_tokens();
            self.serving.break_off(text_tokens);
            return Some((Err(BrokenOff), None));
        };
        let frame = match &mut self.gzip {
            Some(gzip) => gzip.frame(&frame, step == Step::Done),
            None => frame,
        };
        Some((Ok(frame), Some(self)))
    }
}
