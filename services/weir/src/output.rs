//! The one module that prints to the terminal.

use std::io::IsTerminal;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};

/// Prints a line to stdout.
#[expect(clippy::print_stdout, reason = "this is the CLI's output module")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Prints text to stdout as it is.
#[expect(clippy::print_stdout, reason = "this is the CLI's output module")]
pub(crate) fn raw(text: &str) {
    print!("{text}");
}

/// Prints a remark to stderr, beside what a command gives back.
#[expect(clippy::print_stderr, reason = "this is the CLI's output module")]
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// Prints why a command failed, with every cause, to stderr.
#[expect(clippy::print_stderr, reason = "this is the CLI's output module")]
pub(crate) fn failure(problem: &anyhow::Error) {
    eprintln!("weir: {problem}");
    for cause in problem.chain().skip(1) {
        eprintln!("  because {cause}");
    }
}

/// Whether somebody looks at stdout.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// A table with these headings; columns from `numbers_from` on are numbers.
pub(crate) fn table(headings: &[&str], numbers_from: usize, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(numbers_from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// A number with a thin group mark every three digits: `1 234 567`.
pub(crate) fn grouped(number: u64) -> String {
    grouped_by(number, ' ')
}

/// A number with a mark every three digits.
pub(crate) fn grouped_by(number: u64, mark: char) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(mark);
        }
        text.push(digit);
    }
    text
}

/// How much of something is used, in ten steps: `███░░░░░░░`. Anything shows, and so does anything that is left.
pub(crate) fn bar(used: u64, limit: u64) -> String {
    const STEPS: usize = 10;
    let share = u128::from(used.min(limit)) * STEPS as u128 / u128::from(limit.max(1));
    let least = usize::from(used > 0 && limit > 0);
    let full = usize::try_from(share).unwrap_or(STEPS).clamp(least, STEPS);
    "█".repeat(full) + &"░".repeat(STEPS - full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_only_if_nothing_is_left_and_empty_only_if_nothing_is_used() {
        let full = |used, limit| bar(used, limit).chars().filter(|step| *step == '█').count();
        assert_eq!(
            [(0, 10), (1, 1_000), (5, 10), (999, 1_000), (10, 10), (20, 10)].map(|(u, l)| full(u, l)),
            [0, 1, 5, 9, 10, 10]
        );
        assert_eq!((full(0, 0), full(u64::MAX - 1, u64::MAX)), (0, 9));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
