//! The one module that prints to the terminal.

use std::io::{IsTerminal, Write};

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

/// No line for people is longer: what half of a wide screen shows.
const COLUMNS_MAX: usize = 120;
/// How wide free text may make a column: a table of several columns still fits.
const TEXT_COLUMNS_MAX: u16 = 30;

/// Prints a line to stdout.
pub(crate) fn line(text: &str) {
    raw(&format!("{text}\n"));
}

/// Prints text to stdout as it is. Where nobody reads it any more, as before `head`, what was asked for is done all the same.
pub(crate) fn raw(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Prints a remark to stderr, beside what a command gives back.
#[expect(clippy::print_stderr, reason = "this is the CLI's output module")]
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// Says by which etag what was shown is known, for a command that is to hold for no other.
pub(crate) fn etag(etag: &str) {
    note(&format!("etag: {etag}"));
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
    table_with_text(headings, &[], numbers_from, rows)
}

/// A table, some of whose columns hold text that people wrote, which is broken into lines.
pub(crate) fn table_with_text(
    headings: &[&str],
    text: &[usize],
    numbers_from: usize,
    rows: Vec<Vec<String>>,
) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings);
    table.add_rows(rows);
    for column in text {
        let column = table.column_mut(*column).expect("text is in a column that there is");
        column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(TEXT_COLUMNS_MAX)));
    }
    for column in table.column_iter_mut().skip(numbers_from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// A text in lines that are not too long; all but the first begin so far to the right. Numbers stay whole.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut width = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = next_word(rest);
        let long = word.chars().count();
        if width > 0 && width + 1 + long > COLUMNS_MAX {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            width = indent;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += long;
        rest = after;
    }
    lines
}

/// What goes up to a space that is not between two digits, and what comes after it.
fn next_word(text: &str) -> (&str, &str) {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let ends = |at: &usize| {
        let is_group = *at > 0 && is_digit(bytes.get(at - 1)) && is_digit(bytes.get(at + 1));
        *at > 0 && bytes[*at] == b' ' && !is_group && bytes[at - 1] != b' '
    };
    match (0..bytes.len()).find(ends) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
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
    fn long_lines_are_broken_between_words_and_not_within_numbers() {
        let text = format!("  name   {} 1 234 567 tokens", ["word"; 22].join(" "));
        let lines: Vec<_> = wrapped(&text, 9).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("  name   word") && lines.iter().all(|line| line.len() <= COLUMNS_MAX));
        assert_eq!(lines[1], "         1 234 567 tokens");
        assert_eq!(wrapped("short", 4), "short");
        let endless = "x".repeat(300);
        assert_eq!(wrapped(&endless, 4), endless);
    }

    #[test]
    fn text_is_broken_into_lines_and_names_are_not() {
        let name = "n".repeat(63);
        let row = vec![name.clone(), "why ".repeat(40), "7".to_owned()];
        let table = table_with_text(&["name", "reason", "tokens"], &[1], 2, vec![row]);
        assert!(table.contains(&name) && table.lines().all(|line| line.chars().count() < 120), "{table}");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
