//! What is asked about by name: whether it is there, what was decided about it, and which names are near to one that nothing has.

use tonic::Status;
use weir_domain::ids::{PoolId, ServiceId, TeamId};
use weir_domain::org::{Entry, Org};

use crate::auth::{Caller, Owner};

/// Names that are told where there is none of the one that was asked for: as many as fit a line.
const NEAR_MAX: usize = 3;

/// A thing that has a name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Named<'a> {
    Team(&'a TeamId),
    Service(&'a ServiceId),
    Pool(&'a PoolId),
}

impl Named<'_> {
    /// Whether there is one of the name now.
    pub(super) fn is_there(&self, org: &Org) -> bool {
        match self {
            Self::Team(team) => org.team(team).is_some(),
            Self::Service(service) => org.service(service).is_some(),
            Self::Pool(pool) => org.terms(pool).is_some(),
        }
    }

    /// Whether a decision is about it. The team is the one that the decision is about, or whose service it is about.
    pub(super) fn is_about(&self, entry: &Entry, of: Option<&TeamId>) -> bool {
        match self {
            Self::Team(team) => of == Some(*team),
            Self::Service(service) => entry.service.as_ref() == Some(*service),
            Self::Pool(pool) => entry.pool.as_ref() == Some(*pool),
        }
    }

    /// That there is none, with names of those that are seen and near to it.
    pub(super) fn not_found(&self, caller: &Caller, org: &Org, forgotten: bool) -> Status {
        let sees = |team: &TeamId| caller.may_see(Owner::Team(team)).is_ok();
        let (kind, name, near) = match self {
            Self::Team(team) => {
                let teams = org.teams().map(|team| &team.id).filter(|team| sees(team));
                ("team", team.as_str(), near(team.as_str(), teams.map(TeamId::as_str)))
            }
            Self::Service(service) => {
                let services = org.services().filter(|service| sees(&service.team));
                ("service", service.as_str(), near(service.as_str(), services.map(|it| it.id.as_str())))
            }
            Self::Pool(pool) => {
                let pools = org.pools().filter(|_| caller.may_see(Owner::Nobody).is_ok());
                ("pool", pool.as_str(), near(pool.as_str(), pools.map(PoolId::as_str)))
            }
        };
        let near = match &near[..] {
            [] => String::new(),
            near => format!("; near to it: {}", near.join(", ")),
        };
        let past = if forgotten { ", nor was one as far as decisions are known here" } else { "" };
        Status::not_found(format!("there is no {kind} named {name}{past}{near}"))
    }
}

/// The names that are nearest to one, the nearest first: a third of its letters may be others.
fn near<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let most = name.chars().count().div_ceil(3);
    let is_as_long = |other: &&str| is_as_long(name, other, most);
    let far = |other: &'a str| Some((edits(name, other), other)).filter(|(edits, _)| *edits <= most);
    let mut near: Vec<_> = names.filter(is_as_long).filter_map(far).collect();
    near.sort_unstable();
    near.truncate(NEAR_MAX);
    near.into_iter().map(|(_, name)| name).collect()
}

/// Whether so many letters more or less are enough: where they are not, nobody need count which ones differ.
fn is_as_long(one: &str, other: &str, most: usize) -> bool {
    one.chars().count().abs_diff(other.chars().count()) <= most
}

/// How many letters must be put in, taken out or replaced to make one name of another (Levenshtein's distance).
fn edits(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for (at, theirs) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(letter != theirs);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[other.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_differ_are_counted() {
        let cases =
            [("", "", 0), ("", "ab", 2), ("chat", "chat", 0), ("chat", "hat", 1), ("kitten", "sitting", 3)];
        for (one, other, count) in cases {
            assert_eq!((edits(one, other), edits(other, one)), (count, count), "{one} {other}");
        }
    }

    #[test]
    fn a_name_is_skipped_for_its_length_only_where_it_is_far() {
        let names = ["", "a", "chat", "chat-2", "chats", "search", "batch-of-the-night"];
        for (one, other) in names.iter().flat_map(|one| names.map(|other| (*one, other))) {
            for most in 0..8 {
                assert!(is_as_long(one, other, most) || edits(one, other) > most, "{one} {other} {most}");
            }
        }
        assert!(!is_as_long("chat", "batch-of-the-night", 2));
        assert_eq!(near("chat", ["chats", "batch-of-the-night"].into_iter()), ["chats"]);
    }

    #[test]
    fn the_nearest_names_are_told_and_none_that_is_far() {
        let names = ["search", "chat-2", "chat", "chap", "cat", "batch"];
        assert_eq!(near("chta", names.into_iter()), ["cat", "chap", "chat"]);
        assert_eq!(near("nosuch", names.into_iter()), [""; 0]);
        assert_eq!(near("chat-1", names.into_iter()), ["chat-2", "chat"]);
    }
}
