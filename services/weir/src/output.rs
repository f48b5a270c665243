//! The one module that prints to the terminal.

mod table;

use std::io::{IsTerminal, Write};

pub(crate) use table::{Table, name, number, text, whole};

/// No line for people is longer: what half of a wide screen shows.
const COLUMNS_MAX: usize = 120;
/// A terminal that says it is narrower is written to as if it were not: no table fits it.
const COLUMNS_MIN: usize = 40;

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
    let mut causes: Vec<_> = problem.chain().map(ToString::to_string).collect();
    causes.dedup();
    eprintln!("weir: {}", causes.join("\n  because "));
}

/// Whether somebody looks at stdout.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Prints a table or, if nothing is in it, a sentence that says so.
pub(crate) fn listed(table: &Table, nothing: &str) {
    if table.is_empty() { line(nothing) } else { line(&table.to_string()) }
}

/// How many characters a line of the terminal has; none where stdout is no terminal.
pub(crate) fn room() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(usize::from(width.0).max(COLUMNS_MIN))
}

/// A text in lines that are not too long; all but the first begin so far to the right. Numbers stay whole.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    wrapped_at(text, indent, room().unwrap_or(COLUMNS_MAX).min(COLUMNS_MAX))
}

/// A line for people and programs: on a narrow terminal in several, all but the first so far to the right.
pub(crate) fn fitted(text: &str, indent: usize) -> String {
    room().map_or_else(|| text.to_owned(), |room| wrapped_at(text, indent, room))
}

fn wrapped_at(text: &str, indent: usize, columns_max: usize) -> String {
    let mut lines = String::new();
    let mut width = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = next_word(rest);
        let long = word.chars().count();
        if width > 0 && width + 1 + long > columns_max {
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

/// A text with marks in its numbers: `80221 tokens` as `80 221 tokens`. What is part of a name or an instant stays.
pub(crate) fn with_marks(text: &str) -> String {
    let marked = |word: &str| {
        let digits = word.trim_end_matches([',', ';', '.', ':']);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_number.then(|| digits.parse().ok()).flatten();
        number.map_or_else(|| word.to_owned(), |number| grouped(number) + &word[digits.len()..])
    };
    text.split(' ').map(marked).collect::<Vec<_>>().join(" ")
}

/// A decimal with at least two and at most six places, for reading; exports carry every digit.
pub(crate) fn money(decimal: &str) -> String {
    const PLACES: std::ops::RangeInclusive<usize> = 2..=6;
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let shown = fraction.get(..*PLACES.end()).unwrap_or(fraction);
    let shown = shown.trim_end_matches('0');
    format!("{whole}.{shown:0<2}")
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
        let lines: Vec<_> = wrapped_at(&text, 9, COLUMNS_MAX).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("  name   word") && lines.iter().all(|line| line.len() <= COLUMNS_MAX));
        assert_eq!(lines[1], "         1 234 567 tokens");
        assert_eq!(wrapped_at("short", 4, COLUMNS_MAX), "short");
        let endless = "x".repeat(300);
        assert_eq!(wrapped_at(&endless, 4, COLUMNS_MAX), endless);
    }

    #[test]
    fn numbers_in_sentences_get_marks_and_what_is_no_number_does_not() {
        let said = "80221 tokens, 60000, of chat-1700000000 until 2026-11-30T23:00:00Z; 1.5 s";
        let wanted = "80 221 tokens, 60 000, of chat-1700000000 until 2026-11-30T23:00:00Z; 1.5 s";
        assert_eq!(with_marks(said), wanted);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }

    #[test]
    fn money_is_readable() {
        let cases = [("1.500000000000", "1.50"), ("0.000012345678", "0.000012"), ("3", "3.00")];
        for (decimal, text) in cases {
            assert_eq!(money(decimal), text);
        }
    }
}
