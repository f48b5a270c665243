//! The span as a row of small blocks: what was refused in each part of it, and what was borrowed.

use weir_proto::governance::v1::SimulatedCells;

/// What the signs mean.
pub(super) const LEGEND: &str =
    "▁▂▃▄▅▆▇█ share of requests refused   ░▒▓ share of tokens borrowed   · neither";

const REFUSED: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const BORROWED: [char; 3] = ['░', '▒', '▓'];

/// One sign for each part.
pub(super) fn row(cells: &SimulatedCells) -> String {
    let parts =
        cells.requests.iter().zip(&cells.refused).zip(cells.tokens.iter().zip(&cells.borrowed_tokens));
    parts
        .map(|((requests, refused), (tokens, borrowed))| sign(*requests, *refused, *tokens, *borrowed))
        .collect()
}

/// Whether there is anything to be seen in it.
pub(super) fn tells(cells: &SimulatedCells) -> bool {
    cells.refused.iter().chain(&cells.borrowed_tokens).any(|count| *count > 0)
}

fn sign(requests: u64, refused: u64, tokens: u64, borrowed: u64) -> char {
    match (requests, refused, borrowed) {
        (0, ..) => ' ',
        (_, 0, 0) => '·',
        (_, 0, _) => BORROWED[step(borrowed, tokens, BORROWED.len())],
        _ => REFUSED[step(refused, requests, REFUSED.len())],
    }
}

/// The step that a share is on: the first for anything at all, the last for all of it.
fn step(part: u64, whole: u64, steps: usize) -> usize {
    let share = u128::from(part.min(whole)) * steps as u128;
    let step = usize::try_from(share.div_ceil(u128::from(whole.max(1)))).unwrap_or(steps);
    step.clamp(1, steps) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_shows_what_was_refused_before_what_was_borrowed() {
        let cells = SimulatedCells {
            requests: vec![0, 5, 8, 8, 1_000, 4, 4],
            refused: vec![0, 0, 8, 4, 1, 0, 0],
            tokens: vec![0, 50, 80, 80, 100, 90, 90],
            borrowed_tokens: vec![0, 0, 0, 40, 0, 1, 89],
        };
        assert_eq!(row(&cells), " ·█▄▁░▓");
        assert!(tells(&cells));
        let quiet = SimulatedCells { refused: vec![0; 7], borrowed_tokens: vec![0; 7], ..cells };
        assert!(!tells(&quiet));
    }

    #[test]
    fn requests_without_tokens_are_shown_all_the_same() {
        assert_eq!((sign(1, 1, 0, 0), sign(1, 0, 0, 0), sign(1, 0, 0, 1)), ('█', '·', '░'));
    }
}
