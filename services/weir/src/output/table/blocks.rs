//! Rows as blocks of lines, one for each column, where there is too little room for columns: nothing is cut.

use super::{Table, chars};
use crate::output::wrapped_at;

/// What stands between a heading and its value.
const GAP: usize = 2;

/// A block for each row. Words stay whole, however little room there is.
pub(super) fn drawn(table: &Table, room: usize) -> String {
    let headings = table.columns.iter().map(|column| chars(&column.heading));
    let values_at = headings.max().unwrap_or(0) + GAP;
    let blocks = table.rows.iter().map(|row| block(table, row, values_at, room));
    blocks.collect::<Vec<_>>().join("\n\n")
}

fn block(table: &Table, row: &[String], values_at: usize, room: usize) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    for (column, value) in table.columns.iter().zip(row).filter(|(_, value)| !value.is_empty()) {
        match lines.last_mut().filter(|_| column.heading.is_empty()) {
            // What has no heading belongs to what is before it.
            Some((_, before)) => *before += &format!(", {value}"),
            None => lines.push((&column.heading, value.clone())),
        }
    }
    let line = |(heading, value): &(&str, String)| {
        let value = value.lines().collect::<Vec<_>>().join(" ");
        let room = room.saturating_sub(values_at);
        let value = wrapped_at(&value, 0, room).replace('\n', &format!("\n{}", " ".repeat(values_at)));
        format!("{heading:<values_at$}{value}")
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}
