//! Who decided something, when and why: part of every fact of governance.

use crate::time::Timestamp;

/// The author, time and reason of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authorship {
    /// Who decided: a person's or a workload's name.
    pub author: String,
    /// Why, in their words.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// The commit of the checkout that a policy was applied from, if it was in one.
    pub commit: Option<String>,
}

impl Authorship {
    /// Whether somebody decided, or somebody else in their name.
    pub fn is_by(&self, name: &str) -> bool {
        self.author == name || actor(&self.author) == name || acted_for(&self.author) == Some(name)
    }
}

/// In whose name whoever decided did so, if in anybody's.
fn acted_for(author: &str) -> Option<&str> {
    Some(author.strip_suffix(')')?.rsplit_once(" (by ")?.0)
}

/// Decides in the name of somebody: both names are kept.
pub fn in_the_name_of(somebody: &str, actor: &str) -> String {
    format!("{somebody} (by {actor})")
}

/// Whoever decided, where they did so in the name of somebody; otherwise the author.
pub fn actor(author: &str) -> &str {
    let given = author.strip_suffix(')').and_then(|author| author.rsplit_once(" (by "));
    given.map_or(author, |(_, actor)| actor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_decides_in_the_name_of_somebody_is_the_one_who_decided() {
        assert_eq!(actor(&in_the_name_of("grace", "ada")), "ada");
        assert_eq!(actor("grace"), "grace");
        let by = Authorship {
            author: in_the_name_of("grace", "ada"),
            reason: String::new(),
            at: Timestamp::EPOCH,
            commit: None,
        };
        assert!(by.is_by("grace") && by.is_by("ada") && by.is_by("grace (by ada)") && !by.is_by("bo"));
    }
}
