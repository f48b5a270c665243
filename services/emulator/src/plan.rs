//! What an answer will be, decided before the first byte of it: its texts, how they end, and in which steps they leave.
//!
//! Pure: the same request, deployment and seed give the same plan.

use crate::config::{Completion, Deployment};
use crate::faults::ResetAt;
use crate::random::{Draws, Seed};
use crate::request::ChatRequest;
use crate::text::{Piece, Vocabulary};

/// One choice of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) reasoning_tokens: u64,
    pub(crate) finish_reason: FinishReason,
}

impl Choice {
    /// Its whole text, as JSON writes it inside a string.
    pub(crate) fn text_json(&self, vocabulary: &Vocabulary) -> String {
        vocabulary.json(&self.pieces)
    }
}

/// Why a choice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinishReason {
    Stop,
    Length,
}

impl FinishReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }
}

/// What leaves in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Azure's verdict on the prompt.
    PromptFilter,
    /// A choice begins.
    Role { choice: usize },
    /// Pieces `from..to` of a choice.
    Text { choice: usize, from: usize, to: usize },
    /// A choice ends.
    Finish { choice: usize },
    /// What was used.
    Usage,
    /// `[DONE]`.
    Done,
    /// The connection ends here.
    Reset,
}

/// Which steps there are besides the text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Frame {
    pub(crate) prompt_filter: bool,
    pub(crate) usage: bool,
    pub(crate) reset: Option<ResetAt>,
    pub(crate) tokens_per_chunk: usize,
}

/// What decides the text of answers besides the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Author<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) vocabulary: &'a Vocabulary,
    pub(crate) seed: u64,
}

impl Author<'_> {
    /// The choices of an answer; each of so many tokens, or as the deployment's settings have it.
    pub(crate) fn choices(&self, request: &ChatRequest, output_tokens: Option<u64>) -> Vec<Choice> {
        let seed = Seed::new(self.seed).with(self.deployment.name.as_bytes());
        let seed = seed.with_json(&request.body["messages"]);
        let choice = |index: usize| {
            let mut draws = Draws::new(seed.with_number(index as u64).get());
            let wanted = self.wanted(output_tokens, &mut draws);
            wanted.cut(request.output_max.unwrap_or(u64::MAX), self.vocabulary, draws.next())
        };
        (0..request.choices).map(choice).collect()
    }

    fn wanted(&self, output_tokens: Option<u64>, draws: &mut Draws) -> Wanted {
        let share = self.deployment.reasoning_share;
        if let Some(total) = output_tokens {
            let reasoning_tokens = part(total, share);
            return Wanted { reasoning_tokens, text_tokens: total - reasoning_tokens };
        }
        let text_tokens = log_uniform(&self.deployment.completion, draws.share());
        Wanted { reasoning_tokens: part(text_tokens, share / (1.0 - share)), text_tokens }
    }
}

/// How long a choice would be if the request did not cut it.
struct Wanted {
    reasoning_tokens: u64,
    text_tokens: u64,
}

impl Wanted {
    /// A limit takes the text first: a model that reasons until the limit says nothing.
    fn cut(self, output_max: u64, vocabulary: &Vocabulary, seed: u64) -> Choice {
        let reasoning_tokens = self.reasoning_tokens.min(output_max);
        let text_tokens = self.text_tokens.min(output_max - reasoning_tokens);
        let whole = reasoning_tokens == self.reasoning_tokens && text_tokens == self.text_tokens;
        let text_tokens = usize::try_from(text_tokens).unwrap_or(usize::MAX);
        Choice {
            pieces: vocabulary.write(seed, text_tokens),
            reasoning_tokens,
            finish_reason: if whole { FinishReason::Stop } else { FinishReason::Length },
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^53")]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within the bounds, which are counts"
)]
fn log_uniform(completion: &Completion, share: f64) -> u64 {
    let (min, max) = (completion.tokens_min as f64, completion.tokens_max as f64);
    let length = (min * (max / min).powf(share)).round() as u64;
    length.clamp(completion.tokens_min, completion.tokens_max)
}

/// A part of a number of tokens, rounded down.
#[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^53")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count")]
pub(crate) fn part(tokens: u64, share: f64) -> u64 {
    (tokens as f64 * share) as u64
}

/// The steps in which choices leave, taking turns as those of the originals do.
pub(crate) fn steps(choices: &[Choice], frame: Frame) -> Vec<Step> {
    let mut steps = Vec::new();
    if frame.prompt_filter {
        steps.push(Step::PromptFilter);
    }
    steps.extend((0..choices.len()).map(|choice| Step::Role { choice }));
    let size = frame.tokens_per_chunk.max(1);
    let rounds = choices.iter().map(|choice| choice.pieces.len().div_ceil(size)).max().unwrap_or(0);
    for round in 0..=rounds {
        for (index, choice) in choices.iter().enumerate() {
            let (from, length) = (round * size, choice.pieces.len());
            if from < length {
                steps.push(Step::Text { choice: index, from, to: (from + size).min(length) });
            } else if round == length.div_ceil(size) {
                steps.push(Step::Finish { choice: index });
            }
        }
    }
    if let Some(at) = frame.reset {
        break_off(&mut steps, at);
        return steps;
    }
    if frame.usage {
        steps.push(Step::Usage);
    }
    steps.push(Step::Done);
    steps
}

/// Cuts the steps after so many texts; in any case before the last choice has said that it is finished.
fn break_off(steps: &mut Vec<Step>, at: ResetAt) {
    let is_text = |step: &Step| matches!(step, Step::Text { .. });
    let texts = steps.iter().filter(|step| is_text(step)).count();
    let keep = match at {
        ResetAt::Chunks(chunks) => chunks.min(texts),
        ResetAt::Share(share) => usize::try_from(part(texts as u64, share)).unwrap_or(texts),
    };
    let mut seen = 0;
    let after = steps.iter().position(|step| {
        let over = is_text(step) && seen == keep;
        seen += usize::from(is_text(step));
        over
    });
    steps.truncate(after.unwrap_or(steps.len() - 1));
    steps.push(Step::Reset);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use weir_domain::policy::Encoding;
    use weir_runtime::tokenizer::Tokenizer;

    fn planned(body: serde_json::Value, deployment: &Deployment, output_tokens: Option<u64>) -> Vec<Choice> {
        let mut body = body;
        body["messages"] = json!([{"role": "user", "content": "hello"}]);
        let request = ChatRequest::read(body, false).unwrap();
        let vocabulary = Vocabulary::new(Tokenizer::of(Encoding::O200kBase));
        Author { deployment, vocabulary: &vocabulary, seed: 1 }.choices(&request, output_tokens)
    }

    fn choice(tokens: usize) -> Choice {
        let vocabulary = Vocabulary::new(Tokenizer::of(Encoding::O200kBase));
        Choice { pieces: vocabulary.write(1, tokens), reasoning_tokens: 0, finish_reason: FinishReason::Stop }
    }

    #[test]
    fn the_same_request_has_the_same_answer_streamed_or_not() {
        let deployment = Deployment::chat("gpt-4o");
        let streamed = planned(json!({"n": 2, "stream": true}), &deployment, None);
        assert_eq!(planned(json!({"n": 2}), &deployment, None), streamed);
        assert_ne!(streamed[0].pieces, streamed[1].pieces);
    }

    #[test]
    fn an_answer_that_is_cut_ends_with_length() {
        let deployment = Deployment::chat("gpt-4o");
        let ending = |max: u64| {
            let choice = planned(json!({"max_tokens": max}), &deployment, Some(10)).remove(0);
            (choice.pieces.len(), choice.finish_reason)
        };
        assert_eq!(ending(9), (9, FinishReason::Length));
        assert_eq!(ending(10), (10, FinishReason::Stop));
    }

    #[test]
    fn reasoning_comes_before_text_and_may_leave_none() {
        let deployment = Deployment { reasoning_share: 0.75, ..Deployment::chat("o4-mini") };
        let tokens = |max: u64| {
            let choice = planned(json!({"max_completion_tokens": max}), &deployment, Some(100)).remove(0);
            (choice.reasoning_tokens, choice.pieces.len())
        };
        assert_eq!(tokens(1_000), (75, 25));
        assert_eq!(tokens(80), (75, 5));
        assert_eq!(tokens(50), (50, 0));
    }

    #[test]
    fn lengths_stay_within_their_bounds() {
        let completion = Completion { tokens_min: 3, tokens_max: 50 };
        assert_eq!(log_uniform(&completion, 0.0), 3);
        assert_eq!(log_uniform(&completion, 0.999_999), 50);
    }

    #[test]
    fn choices_take_turns_and_finish_each_once() {
        let frame = Frame { tokens_per_chunk: 2, usage: true, ..Frame::default() };
        let text = |choice, from, to| Step::Text { choice, from, to };
        assert_eq!(
            steps(&[choice(3), choice(2)], frame),
            [
                Step::Role { choice: 0 },
                Step::Role { choice: 1 },
                text(0, 0, 2),
                text(1, 0, 2),
                text(0, 2, 3),
                Step::Finish { choice: 1 },
                Step::Finish { choice: 0 },
                Step::Usage,
                Step::Done
            ]
        );
    }

    #[test]
    fn an_answer_that_breaks_off_never_finishes() {
        let broken =
            |at| steps(&[choice(3)], Frame { reset: Some(at), tokens_per_chunk: 1, ..Frame::default() });
        assert_eq!(broken(ResetAt::Chunks(0)), [Step::Role { choice: 0 }, Step::Reset]);
        assert_eq!(broken(ResetAt::Chunks(2)).len(), 4);
        for late in [ResetAt::Chunks(3), ResetAt::Chunks(99)] {
            let steps = broken(late);
            assert_eq!(steps.len(), 5);
            assert_eq!(steps[3..], [Step::Text { choice: 0, from: 2, to: 3 }, Step::Reset]);
        }
        assert_eq!(broken(ResetAt::Share(0.5)).len(), 3);
    }
}
