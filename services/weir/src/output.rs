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
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
