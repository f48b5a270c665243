//! One block of a policy file, read field by field, so that every field that is wrong is told at once and by its line.

use std::cell::RefCell;
use std::fmt::Display;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Source;
use super::notes::{Notes, Spot};
use super::values;

/// A file that is being read, and where what is found goes.
pub(super) struct Page<'a> {
    source: &'a Source,
    notes: &'a RefCell<Notes>,
}

impl<'a> Page<'a> {
    pub(super) const fn new(source: &'a Source, notes: &'a RefCell<Notes>) -> Self {
        Self { source, notes }
    }

    /// The line that holds a byte of the text.
    pub(super) fn spot(&self, byte: usize) -> Spot {
        let before = self.source.text.get(..byte).unwrap_or(&self.source.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Spot { file: self.source.path.clone(), line }
    }

    pub(super) fn wrong(&self, place: &str, byte: usize, message: &str) {
        self.notes.borrow_mut().wrong(place, self.spot(byte), message);
    }
}

/// A table of a file.
pub(super) struct Block<'a> {
    page: &'a Page<'a>,
    fields: &'a DeTable<'a>,
    /// Where it begins.
    byte: usize,
    /// What it is called in messages: `service chat`, or `service` as long as its name is not known.
    place: String,
    /// The fields that were asked for.
    asked: Vec<&'static str>,
}

impl<'a> Block<'a> {
    /// The block that a value is. `place`: what it is called as long as its name is not known.
    pub(super) fn open(page: &'a Page<'a>, value: &'a Spanned<DeValue<'a>>, place: String) -> Option<Self> {
        let byte = value.span().start;
        if let Some(fields) = value.get_ref().as_table() {
            return Some(Self { page, fields, byte, place, asked: Vec::new() });
        }
        page.wrong(&place, byte, &format!("is {}, not a block of fields", values::kind(value.get_ref())));
        None
    }

    /// What it is called in messages.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// A field that must be there; none if it is not, or is wrong.
    pub(super) fn required<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(field) {
            self.wrong(&format!("{field} is missing; state it"));
        }
        self.optional(field, read)
    }

    /// A field that may be there; none if it is not, or is wrong. If it is right, what is said of it later is shown where it
    /// stands.
    pub(super) fn optional<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(field)?;
        match read(value.get_ref()) {
            Ok(read) => {
                let spot = self.page.spot(value.span().start);
                self.page.notes.borrow_mut().stands(&format!("{}, {field}", self.place), spot);
                Some(read)
            }
            Err(problem) => {
                self.page.wrong(&self.place, value.span().start, &format!("{field} {problem}"));
                None
            }
        }
    }

    /// A name that must be there, and a stand-in if it is not or is wrong.
    pub(super) fn reference<T: FromStr<Err: Display>>(&mut self, field: &'static str) -> T {
        self.required(field, values::name).unwrap_or_else(values::stand_in)
    }

    /// A text that may be there; empty if not.
    pub(super) fn text(&mut self, field: &'static str) -> String {
        self.optional(field, values::text).unwrap_or_default()
    }

    /// The name that tells it from others of its kind. From now on it is called by it.
    pub(super) fn called<T: FromStr<Err: Display> + Display>(
        &mut self,
        field: &'static str,
        place: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let name: Option<T> = self.required(field, values::name);
        if let Some(name) = &name {
            self.place = place(name);
        }
        name
    }

    /// Notes that what it is called by stands here.
    pub(super) fn stands_here(&self) {
        self.page.notes.borrow_mut().stands(&self.place, self.page.spot(self.byte));
    }

    /// The blocks of a list within it: `[[pool.model]]`, or `model = [{ … }]`.
    pub(super) fn blocks(&mut self, field: &'static str) -> Vec<Block<'a>> {
        let Some(value) = self.take(field) else { return Vec::new() };
        let place = format!("{}, {field}", self.place);
        self.page.blocks(value, &place)
    }

    /// The value of a field that may be of several kinds, and what a block in it would be called.
    pub(super) fn value(&mut self, field: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.take(field)
    }

    /// A block within it: `thresholds = { … }`.
    pub(super) fn block(&mut self, field: &'static str) -> Option<Block<'a>> {
        let value = self.take(field)?;
        Block::open(self.page, value, format!("{}, {field}", self.place))
    }

    /// Says what is wrong with it as a whole.
    pub(super) fn wrong(&self, message: &str) {
        self.page.wrong(&self.place, self.byte, message);
    }

    /// Says what is wrong with a field of it.
    pub(super) fn wrong_field(&self, field: &str, message: &str) {
        let byte = self.fields.get(field).map_or(self.byte, |value| value.span().start);
        self.page.wrong(&self.place, byte, message);
    }

    /// Whether a field is there.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// Ends the reading: whatever nobody asked for is no field.
    pub(super) fn finish(self) {
        for (key, _) in self.fields {
            let name = key.get_ref().as_ref();
            if !self.asked.contains(&name) {
                let there = self.asked.join(", ");
                self.page.wrong(
                    &self.place,
                    key.span().start,
                    &format!("{name} is no field; there are {there}"),
                );
            }
        }
    }

    fn take(&mut self, field: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        if !self.asked.contains(&field) {
            self.asked.push(field);
        }
        self.fields.get(field)
    }
}

impl<'a> Page<'a> {
    /// The blocks of a list. `place`: what each is called as long as its name is not known.
    pub(super) fn blocks(&'a self, value: &'a Spanned<DeValue<'a>>, place: &str) -> Vec<Block<'a>> {
        let Some(list) = value.get_ref().as_array() else {
            let kind = values::kind(value.get_ref());
            let message = format!("is {kind}, not a list; write it in double brackets, such as [[pool]]");
            self.wrong(place, value.span().start, &message);
            return Vec::new();
        };
        list.iter().filter_map(|value| Block::open(self, value, place.to_owned())).collect()
    }
}
