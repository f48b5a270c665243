//! Tables: a line for each row where there is room, on a narrow terminal a few, and on the narrowest one for each column.
//!
//! A table says which columns there are and what they hold; how they are laid out is decided here, once for all commands.
//! Off a terminal every row is one line with everything in it, so that `grep` and `cut` find it.

mod blocks;

use std::fmt;

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, Table as Drawn, TableComponent, Width,
};

/// The least that text is broken to where columns could still stand under each other: those are better read than less.
const TEXT_CHARS_BESIDE_MIN: usize = 24;
/// The least that text is broken to: two words. Where there is less room, every row is a block of its own.
const TEXT_CHARS_MIN: usize = 12;
/// The longest word that is never broken: a name, with what sentences put around it. What is longer is an address or nonsense.
const WORD_CHARS_MAX: usize = weir_domain::ids::NAME_CHARS_MAX + 4;
/// What stands between two columns: a space on either side.
const GAP: usize = 2;

/// A double rule below the headings; rules between rows, where a row is several lines; no vertical lines.
const RULES: &str = "     ═   ─         ";

/// What a column holds, and so what may be done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What people type again, whole in one line.
    Name,
    /// What would be wrong if anything of it were missing, such as an instant.
    Whole,
    /// A number, to the right.
    Number,
    /// What people wrote, which may be broken into lines.
    Text,
}

/// A column: its heading, and what it holds.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    heading: String,
    kind: Kind,
    /// Whether it stands under the one before it where there is no room beside it.
    under: bool,
}

fn column(heading: &str, kind: Kind) -> Column {
    Column { heading: heading.to_owned(), kind, under: false }
}

/// A column of names.
pub(crate) fn name(heading: &str) -> Column {
    column(heading, Kind::Name)
}

/// A column of what must not be shortened.
pub(crate) fn whole(heading: &str) -> Column {
    column(heading, Kind::Whole)
}

/// A column of numbers.
pub(crate) fn number(heading: &str) -> Column {
    column(heading, Kind::Number)
}

/// A column of what people wrote.
pub(crate) fn text(heading: &str) -> Column {
    column(heading, Kind::Text)
}

impl Column {
    /// Under the column before it where there is no room beside it.
    pub(crate) fn or_under(self) -> Self {
        Self { under: true, ..self }
    }
}

/// A table. It is shown in what room the terminal has.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(columns: impl Into<Vec<Column>>, rows: Vec<Vec<String>>) -> Self {
        let columns = columns.into();
        debug_assert!(rows.iter().all(|row| row.len() == columns.len()), "a cell for every column");
        Self { columns, rows }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table in lines of at most so many characters, as far as it can be; none: whatever it takes.
    pub(crate) fn within(&self, chars: Option<usize>) -> String {
        let whole = Layout::new(self, 0);
        let Some(chars) = chars.filter(|chars| whole.chars() > *chars) else { return whole.drawn() };
        let may_stack = self.columns.iter().filter(|column| column.under).count();
        let narrower = (0..may_stack).map(|stacked| Layout::new(self, stacked));
        let mut narrower = narrower.map(|layout| layout.broken(chars, TEXT_CHARS_BESIDE_MIN));
        let fits = |layout: &Layout| layout.chars() <= chars;
        let narrowest = || Layout::new(self, may_stack).broken(chars, TEXT_CHARS_MIN);
        let fitting = narrower.find(fits).or_else(|| Some(narrowest()).filter(fits));
        fitting.map_or_else(|| blocks::drawn(self, chars), |layout| layout.drawn())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.within(super::room()))
    }
}

/// A table as it is laid out: columns that may have several lines a row.
struct Layout {
    columns: Vec<Stack>,
}

/// Columns that stand under each other, in one place; and how wide that may be, if it is to be broken.
struct Stack {
    kind: Kind,
    /// The heading, then the rows.
    cells: Vec<Vec<String>>,
    text_max: Option<usize>,
}

impl Stack {
    fn new(table: &Table, at: usize) -> Self {
        let column = &table.columns[at];
        let heading = vec![column.heading.clone()];
        let rows = table.rows.iter().map(|row| vec![row[at].clone()]);
        Self { kind: column.kind, cells: std::iter::once(heading).chain(rows).collect(), text_max: None }
    }

    fn put_under(&mut self, other: Self) {
        for (lines, more) in self.cells.iter_mut().zip(other.cells) {
            lines.extend(more);
        }
    }

    fn natural(&self) -> usize {
        self.cells.iter().flatten().map(|line| chars(line)).max().unwrap_or(0)
    }

    fn chars(&self) -> usize {
        self.natural().min(self.text_max.unwrap_or(usize::MAX))
    }

    /// The longest word that stays whole.
    fn longest_word(&self) -> usize {
        let words = self.cells.iter().flatten().flat_map(|line| line.split(' '));
        words.map(chars).filter(|word| *word <= WORD_CHARS_MAX).max().unwrap_or(0)
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

impl Layout {
    /// With so many of the columns that may stand under another one there, the last first.
    fn new(table: &Table, stacked: usize) -> Self {
        let mut beside = table.columns.iter().filter(|column| column.under).count().saturating_sub(stacked);
        let mut columns: Vec<Stack> = Vec::new();
        for (at, column) in table.columns.iter().enumerate() {
            let stack = Stack::new(table, at);
            let is_under = column.under && beside == 0;
            beside = beside.saturating_sub(usize::from(column.under));
            match columns.last_mut().filter(|_| is_under) {
                Some(above) => above.put_under(stack),
                None => columns.push(stack),
            }
        }
        Self { columns }
    }

    fn chars(&self) -> usize {
        self.columns.iter().map(|column| column.chars() + GAP).sum()
    }

    /// With text broken into what room the rest leaves: as much for each, and what one does not need is the others'.
    fn broken(mut self, room: usize, chars_min: usize) -> Self {
        let is_text = |column: &&mut Stack| column.kind == Kind::Text;
        let taken: usize =
            self.columns.iter().map(|it| GAP + if it.kind == Kind::Text { 0 } else { it.chars() }).sum();
        let mut left = room.saturating_sub(taken);
        let mut texts: Vec<_> = self.columns.iter_mut().filter(is_text).collect();
        texts.sort_by_key(|text| text.natural());
        let count = texts.len();
        for (at, text) in texts.into_iter().enumerate() {
            let share = (left / (count - at)).max(chars_min).max(text.longest_word());
            text.text_max = Some(share);
            left = left.saturating_sub(text.chars());
        }
        self
    }

    /// The lines of it. Where a row is several, a rule stands between rows.
    fn drawn(&self) -> String {
        let mut drawn = Drawn::new();
        drawn.load_preset(RULES).set_content_arrangement(ContentArrangement::Disabled);
        let is_broken =
            |it: &Stack| it.natural() > it.chars() || it.cells.iter().any(|lines| lines.len() > 1);
        if !self.columns.iter().any(is_broken) {
            drawn.remove_style(TableComponent::HorizontalLines);
        }
        let rows = self.columns.iter().map(|column| column.cells.len()).max().unwrap_or(0);
        let row = |at: usize| self.columns.iter().map(move |column| shown(&column.cells[at]));
        drawn.set_header(row(0));
        drawn.add_rows((1..rows).map(row));
        for (at, column) in self.columns.iter().enumerate() {
            let shown = drawn.column_mut(at).expect("there is a column for every stack");
            if column.kind == Kind::Number {
                shown.set_cell_alignment(CellAlignment::Right);
            }
            if column.natural() > column.chars() {
                let with_gap = u16::try_from(column.chars() + GAP).unwrap_or(u16::MAX);
                shown.set_constraint(ColumnConstraint::Absolute(Width::Fixed(with_gap)));
            }
        }
        drawn.to_string()
    }
}

/// The lines of a cell, without empty ones at its end.
fn shown(lines: &[String]) -> String {
    lines.join("\n").trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let columns = [
            name("burst"),
            name("service").or_under(),
            whole("start"),
            text("reason"),
            number("tokens"),
            number("version").or_under(),
        ];
        let row = |burst: &str, version: &str| {
            let cells =
                [burst, "shop-assistant", "2026-12-01T00:00:00Z", "why on earth not this time", "60 000"];
            cells.iter().map(ToString::to_string).chain([version.to_owned()]).collect()
        };
        Table::new(
            columns,
            vec![row("launch", "7"), row("a-name-of-some-length-that-nobody-can-remember", "")],
        )
    }

    fn widest(text: &str) -> usize {
        text.lines().map(chars).max().unwrap()
    }

    #[test]
    fn off_a_terminal_and_where_there_is_room_a_row_is_one_line_with_all_of_it() {
        let whole = table().within(None);
        assert_eq!(whole.lines().count(), 1 + 1 + 2, "{whole}");
        let line = whole.lines().find(|line| line.contains("launch")).unwrap();
        let words: Vec<_> = line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
        let all =
            ["launch", "shop-assistant", "2026-12-01T00:00:00Z", "why on earth not this time", "60 000", "7"];
        assert_eq!(words, all);
        assert_eq!(table().within(Some(200)), whole);
    }

    #[test]
    fn text_is_broken_before_anything_else_is_done() {
        let shown = table().within(Some(widest(&table().within(None)) - 2));
        assert!(shown.contains("a-name-of-some-length-that-nobody-can-remember "), "{shown}");
        assert!(shown.contains("why on earth") && !shown.contains("why on earth not this time"), "{shown}");
        assert!(shown.contains("remember  shop-assistant"), "{shown}");
    }

    const LONG: &str = "a-name-of-some-length-that-nobody-can-remember";

    #[test]
    fn on_a_narrow_terminal_columns_stand_under_each_other() {
        for room in 94..=120 {
            let shown = table().within(Some(room));
            assert!(
                widest(&shown) <= room && shown.lines().any(|line| line.contains(LONG)),
                "{room}\n{shown}"
            );
            assert!(shown.starts_with(" burst "), "{room}\n{shown}");
        }
        let shown = table().within(Some(94));
        let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
        assert!(lines[0].starts_with(" burst ") && lines[1].starts_with(" service "), "{shown}");
        assert!(shown.contains("shop-assistant ") && shown.contains(" 60 000"), "{shown}");
    }

    #[test]
    fn where_no_column_has_room_every_row_is_a_block_and_no_name_is_cut() {
        for room in [40, 60, 80] {
            let shown = table().within(Some(room));
            let lines: Vec<_> = shown.lines().collect();
            assert!(lines.contains(&"burst    launch") && lines.contains(&"tokens   60 000"), "{shown}");
            assert!(lines.contains(&format!("burst    {LONG}").as_str()) && lines.contains(&""), "{shown}");
            assert!(lines.contains(&"start    2026-12-01T00:00:00Z"), "{shown}");
            assert_eq!(lines.iter().filter(|line| line.starts_with("version")).count(), 1, "{shown}");
            assert!(lines.iter().all(|line| line.contains(LONG) || chars(line) <= room), "{room}\n{shown}");
        }
    }

    #[test]
    fn no_name_within_a_sentence_is_cut() {
        let name = "x".repeat(weir_domain::ids::NAME_CHARS_MAX);
        let sentence = format!("service {name}: removed");
        let table =
            Table::new([whole("at"), text("what")], vec![vec!["1970-01-01T00:00:00Z".into(), sentence]]);
        for room in 40..=120 {
            let shown = table.within(Some(room));
            assert!(shown.contains(&name), "{room}\n{shown}");
        }
    }
}
