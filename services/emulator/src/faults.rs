//! What goes wrong with a request: as its header says, else as the deployment's probabilities and the seed decide.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::config::Faults;
use crate::random::Draws;

/// The header by which a request chooses its faults: `x-emulator-fault: delay-ms=20, reset-after-chunks=5`.
pub const FAULT_HEADER: &str = "x-emulator-fault";

/// Where an answer breaks off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ResetAt {
    /// After so many chunks of text.
    Chunks(usize),
    /// After this part of all chunks of text, 0 to 1.
    Share(f64),
}

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Injected {
    pub(crate) status: Option<StatusCode>,
    pub(crate) reset: Option<ResetAt>,
    pub(crate) omit_usage: bool,
    pub(crate) delay: Duration,
    pub(crate) gzip: bool,
    /// How many tokens the completion has, reasoning included, before the request's own limit cuts it.
    pub(crate) output_tokens: Option<u64>,
}

/// Why a fault header is not understood: names the item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{FAULT_HEADER}: {item:?} is not one of status=400..599, reset-after-chunks=N, omit-usage, delay-ms=N, gzip, output-tokens=N"
)]
pub(crate) struct UnknownFault {
    item: String,
}

/// Decides for one request.
pub(crate) fn decide(
    headers: &HeaderMap,
    faults: &Faults,
    draws: &mut Draws,
) -> Result<Injected, UnknownFault> {
    let mut asked = headers.get_all(FAULT_HEADER).iter().peekable();
    if asked.peek().is_none() {
        return Ok(draw(faults, draws));
    }
    let mut injected = Injected::default();
    for value in asked {
        let text = String::from_utf8_lossy(value.as_bytes());
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            injected.apply(item).ok_or_else(|| UnknownFault { item: item.to_owned() })?;
        }
    }
    Ok(injected)
}

impl Injected {
    fn apply(&mut self, item: &str) -> Option<()> {
        match item.split_once('=').unwrap_or((item, "")) {
            ("status", status) => {
                let status = status.parse().ok().filter(|status| (400..600).contains(status))?;
                self.status = Some(StatusCode::from_u16(status).ok()?);
            }
            ("reset-after-chunks", chunks) => self.reset = Some(ResetAt::Chunks(chunks.parse().ok()?)),
            ("delay-ms", delay) => self.delay = Duration::from_millis(delay.parse().ok()?),
            ("output-tokens", tokens) => {
                self.output_tokens = Some(tokens.parse().ok().filter(|tokens| *tokens <= OUTPUT_TOKENS_MAX)?);
            }
            ("omit-usage", "") => self.omit_usage = true,
            ("gzip", "") => self.gzip = true,
            _ => return None,
        }
        Some(())
    }
}

/// The longest completion a header may ask for: more than any model writes, less than memory minds.
const OUTPUT_TOKENS_MAX: u64 = 1_000_000;

fn draw(faults: &Faults, draws: &mut Draws) -> Injected {
    let fails = draws.hit(faults.error_share);
    let status = faults.error_statuses.get(draws.below(faults.error_statuses.len().max(1)));
    let slow = draws.hit(faults.slow_share);
    let reset = draws.hit(faults.reset_share);
    let reset_at = ResetAt::Share(draws.share());
    Injected {
        status: status.filter(|_| fails).and_then(|status| StatusCode::from_u16(*status).ok()),
        reset: reset.then_some(reset_at),
        omit_usage: draws.hit(faults.omit_usage_share),
        delay: if slow { Duration::from_millis(faults.slow_ms) } else { Duration::ZERO },
        gzip: draws.hit(faults.gzip_share),
        output_tokens: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Result<Injected, UnknownFault> {
        let mut headers = HeaderMap::new();
        headers.insert(FAULT_HEADER, text.parse().unwrap());
        let always = Faults { error_share: 1.0, ..Faults::default() };
        decide(&headers, &always, &mut Draws::new(1))
    }

    #[test]
    fn a_header_says_all_that_goes_wrong() {
        let expected = Injected {
            status: None,
            reset: Some(ResetAt::Chunks(5)),
            omit_usage: true,
            delay: Duration::from_millis(7),
            gzip: true,
            output_tokens: Some(9),
        };
        assert_eq!(asked("reset-after-chunks=5, omit-usage,delay-ms=7, gzip, output-tokens=9"), Ok(expected));
        assert_eq!(asked("status=503").unwrap().status, Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(asked(""), Ok(Injected::default()));
    }

    #[test]
    fn a_header_that_is_not_understood_is_named() {
        for bad in ["explode", "status=200", "status", "gzip=1", "delay-ms=-1"] {
            assert!(asked(bad).unwrap_err().to_string().contains(bad), "{bad}");
        }
    }

    #[test]
    fn probabilities_are_met() {
        let faults = Faults { error_share: 0.25, reset_share: 0.5, ..Faults::default() };
        let mut draws = Draws::new(7);
        let drawn: Vec<_> = (0..10_000).map(|_| draw(&faults, &mut draws)).collect();
        let errors = drawn.iter().filter(|injected| injected.status.is_some()).count();
        let resets = drawn.iter().filter(|injected| injected.reset.is_some()).count();
        assert!((2_300..2_700).contains(&errors), "{errors}");
        assert!((4_800..5_200).contains(&resets), "{resets}");
        assert!(drawn.iter().all(|injected| !injected.gzip && !injected.omit_usage));
    }
}
