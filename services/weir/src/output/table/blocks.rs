//! Rows as blocks of lines, one for each column, where there is too little room for columns: nothing is cut.

use super::{Column, Table, chars};
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
    let said = table.columns.iter().zip(row).filter(|(_, value)| !value.is_empty());
    let line = |(column, value): (&Column, &String)| {
        let value = value.lines().collect::<Vec<_>>().join(" ");
        let value = wrapped_at(&value, 0, room.saturating_sub(values_at));
        let value = value.replace('\n', &format!("\n{}", " ".repeat(values_at)));
        format!("{:<values_at$}{value}", column.heading)
    };
    said.map(line).collect::<Vec<_>>().join("\n")
}
