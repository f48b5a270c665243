//! What is found while policy files are read: what is wrong, and where each thing stands.
//!
//! Things are called by places, as the domain and the quota service call them: `service chat, allocation in pool gpt-4o`.
//! So whatever is said about a place later can be shown with its file and line.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spot {
    /// The file.
    pub(crate) file: PathBuf,
    /// The line, from 1.
    pub(crate) line: usize,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Something to say about a policy: what is wrong and what would be right, or what may surprise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Where it stands; none if no file says anything about it.
    pub(crate) spot: Option<Spot>,
    /// What there is to say.
    pub(crate) message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.spot {
            Some(spot) => write!(f, "{spot}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Where each thing stands. A thing that is stated twice stands in two places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Places(HashMap<String, Vec<Spot>>);

impl Places {
    fn add(&mut self, place: &str, spot: Spot) {
        self.0.entry(place.to_owned()).or_default().push(spot);
    }

    /// The place itself or, if no line states it, the nearest that it is a part of: `service a` of `service a, allocation
    /// in pool b`.
    fn nearest<'a>(&self, mut place: &'a str) -> Option<(&'a str, &[Spot])> {
        loop {
            if let Some(spots) = self.0.get(place) {
                return Some((place, spots));
            }
            place = place.rsplit_once(", ")?.0;
        }
    }

    /// What is said about a place, with the line where it stands.
    pub(crate) fn finding(&self, place: &str, message: &str) -> Finding {
        let said = format!("{place}: {message}");
        let Some((last, others)) = self.nearest(place).and_then(|(_, spots)| spots.split_last()) else {
            return Finding { spot: None, message: said };
        };
        let others: Vec<_> = others.iter().map(ToString::to_string).collect();
        let also = if others.is_empty() {
            String::new()
        } else {
            format!(" (also stated in {})", others.join(", "))
        };
        Finding { spot: Some(last.clone()), message: said + &also }
    }
}

/// Everything that was noted.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What is wrong.
    pub(super) findings: Vec<Finding>,
    /// Where things stand.
    pub(super) places: Places,
    /// Lines that are no TOML. What else is wrong with them follows from that.
    broken: HashSet<Spot>,
    /// Places of which something could not be read, so that stand-ins were taken.
    pub(super) unsound: HashSet<String>,
}

impl Notes {
    /// A line is no TOML.
    pub(super) fn broken(&mut self, spot: Spot, message: String) {
        self.broken.insert(spot.clone());
        self.findings.push(Finding { spot: Some(spot), message });
    }

    /// Something of a place could not be read.
    pub(super) fn wrong(&mut self, place: &str, spot: Spot, message: &str) {
        let owner = self.places.nearest(place).map_or(place, |(owner, _)| owner);
        self.unsound.insert(owner.to_owned());
        if !self.broken.contains(&spot) {
            self.findings.push(Finding { spot: Some(spot), message: format!("{place}: {message}") });
        }
    }

    /// A thing stands here.
    pub(super) fn stands(&mut self, place: &str, spot: Spot) {
        self.places.add(place, spot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(line: usize) -> Spot {
        Spot { file: "policy.toml".into(), line }
    }

    #[test]
    fn what_no_line_states_is_shown_where_its_whole_stands() {
        let mut places = Places::default();
        places.add("service chat", spot(7));
        let found = places.finding("service chat, allocation in pool gpt", "is too much");
        assert_eq!(found.to_string(), "policy.toml:7: service chat, allocation in pool gpt: is too much");
        assert_eq!(places.finding("pool gpt", "is gone").to_string(), "pool gpt: is gone");
    }

    #[test]
    fn what_is_stated_twice_is_shown_twice() {
        let mut places = Places::default();
        places.add("pool gpt", spot(3));
        places.add("pool gpt", spot(9));
        let found = places.finding("pool gpt", "is defined twice").to_string();
        assert_eq!(found, "policy.toml:9: pool gpt: is defined twice (also stated in policy.toml:3)");
    }

    #[test]
    fn what_follows_from_a_broken_line_is_not_said_again() {
        let mut notes = Notes::default();
        notes.stands("pool gpt", spot(1));
        notes.broken(spot(2), "no TOML".to_owned());
        notes.wrong("pool gpt, model a", spot(2), "is a string");
        notes.wrong("pool gpt, model a", spot(3), "is a string");
        assert_eq!(notes.findings.len(), 2, "{:?}", notes.findings);
        assert_eq!(notes.unsound, ["pool gpt".to_owned()].into());
    }
}
