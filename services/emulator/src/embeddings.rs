//! Embeddings: vectors of length one that their input decides.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Response;
use serde_json::Value;
use weir_runtime::tokenizer::embedding_input_tokens;

use crate::body::AnswerBody;
use crate::call::{Admission, Call, Whole};
use crate::error::ApiError;
use crate::ledger::Operation;
use crate::pacer::Pacer;
use crate::random::{Draws, Seed};
use crate::request::{EmbeddingsRequest, VectorFormat};
use crate::wire::Usage;

/// Answers an embeddings request.
pub(crate) async fn answer(call: Call, body: Value) -> Result<Response<AnswerBody>, ApiError> {
    let request = EmbeddingsRequest::read(&body)?;
    let (injected, draws) = call.faults()?;
    let prompt_tokens = count(&call, &request)?;
    let serving = call.begin(Operation::Embeddings, false);
    let (mut serving, remaining) = match call.admit(serving, &injected, prompt_tokens) {
        Admission::Admitted(serving, remaining) => (serving, remaining),
        Admission::Refused(refused) => return Ok(refused),
    };
    let usage = Usage { prompt_tokens, ..Usage::default() };
    serving.admit(prompt_tokens, usage);
    let mut pacer = Pacer::new(call.deployed.config.pacing, draws);
    pacer.first_token(0, injected.delay).await;
    let reported = (!injected.omit_usage).then_some(&usage);
    let mut text = call.envelope(String::new()).embeddings(&vectors(&call, &request), reported);
    if injected.reset.is_some() {
        text.truncate(text.len() / 2);
        return Ok(call.fragment(serving, Whole { text, gzip: false, remaining }, 0));
    }
    if reported.is_some() {
        serving.reported();
    }
    Ok(call.whole(serving, Whole { text, gzip: injected.gzip, remaining }))
}

fn count(call: &Call, request: &EmbeddingsRequest) -> Result<u64, ApiError> {
    let max = call.deployed.config.context_tokens_max;
    request.inputs.iter().try_fold(0, |sum, input| {
        let tokens = embedding_input_tokens(call.deployed.tokenizer, input);
        if tokens > max { Err(ApiError::context_exceeded("input", max, tokens)) } else { Ok(sum + tokens) }
    })
}

/// The vectors, each as JSON.
fn vectors(call: &Call, request: &EmbeddingsRequest) -> Vec<String> {
    let length = request.dimensions.unwrap_or(call.deployed.config.dimensions);
    let seed = Seed::new(call.emulator.config.seed).with(call.deployed.config.model().as_bytes());
    let vectors = request.inputs.iter().map(|input| vector(seed.with_json(input), length));
    vectors.map(|vector| written(&vector, request.format)).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "embeddings are single precision")]
fn vector(seed: Seed, length: usize) -> Vec<f32> {
    let mut draws = Draws::new(seed.get());
    let drawn: Vec<f64> = (0..length).map(|_| 2.0 * draws.share() - 1.0).collect();
    let norm = drawn.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    drawn.into_iter().map(|x| (x / norm) as f32).collect()
}

/// Numbers, or the base64 of their little-endian bytes.
fn written(vector: &[f32], format: VectorFormat) -> String {
    match format {
        VectorFormat::Float => serde_json::to_string(vector).expect("numbers are JSON"),
        VectorFormat::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            format!("\"{}\"", BASE64_STANDARD.encode(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_has_length_one_and_is_decided_by_its_input() {
        let one = vector(Seed::new(1), 1536);
        let norm: f32 = one.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((norm - 1.0).abs() < 1e-4, "{norm}");
        assert_eq!(one, vector(Seed::new(1), 1536));
        assert_ne!(one, vector(Seed::new(2), 1536));
    }

    #[test]
    fn both_formats_say_the_same() {
        let one = vector(Seed::new(1), 8);
        let floats: Vec<f32> = serde_json::from_str(&written(&one, VectorFormat::Float)).unwrap();
        assert_eq!(floats, one);
        let base64: String = serde_json::from_str(&written(&one, VectorFormat::Base64)).unwrap();
        let bytes = BASE64_STANDARD.decode(base64).unwrap();
        let decoded: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(decoded, one);
    }
}
