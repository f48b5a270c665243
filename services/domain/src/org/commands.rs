//! Commands that were made, remembered for a while, so that the same one again does nothing more.
//!
//! Most commands say by names what is to be so, and are so already when they come again. What this adds: one that comes
//! late does not undo what others have decided in between.

use std::collections::VecDeque;
use std::time::Duration;

use crate::authorship::Authorship;
use crate::org::{Decided, Event, Org, PolicyChange};
use crate::time::Timestamp;

/// Commands that are remembered: as many as a busy script gives in an hour. Beyond, the oldest are forgotten.
pub const COMMANDS_MAX: usize = 1_024;
/// For how long: whoever repeats a command after a day asks for something new.
pub const COMMAND_MEMORY: Duration = Duration::from_hours(24);

/// What tells a command from every other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommandId {
    /// What whoever asks has called it.
    pub name: String,
    /// SHA-256 of all that it says and of whose it is: another command of the same name is a mistake.
    pub digest: [u8; 32],
}

/// Another command has the same id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("request_id {name:?} was that of another command; give every command its own")]
pub struct CommandIdTaken {
    /// The id.
    pub name: String,
}

/// The last commands that were made, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Commands(VecDeque<(Timestamp, CommandId)>);

impl Commands {
    pub(super) fn new(commands: impl IntoIterator<Item = (Timestamp, CommandId)>) -> Self {
        Self(commands.into_iter().collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Timestamp, CommandId)> {
        self.0.iter()
    }

    pub(super) fn remember(&mut self, command: CommandId, at: Timestamp) {
        self.0.push_back((at, command));
        let forgotten = |(made, _): &(Timestamp, CommandId)| made.plus(COMMAND_MEMORY) < at;
        while self.0.len() > COMMANDS_MAX || self.0.front().is_some_and(forgotten) {
            self.0.pop_front();
        }
    }
}

impl Org {
    /// Whether a command was made before, as far as it is remembered.
    pub fn has_made(&self, command: &CommandId) -> Result<bool, CommandIdTaken> {
        match self.commands.iter().find(|(_, made)| made.name == command.name) {
            None => Ok(false),
            Some((_, made)) if made == command => Ok(true),
            Some(_) => Err(CommandIdTaken { name: command.name.clone() }),
        }
    }
}

impl PolicyChange {
    /// The same change, after which it is remembered by which command it was made. What changes nothing is, too: it may come
    /// again when it would.
    #[must_use]
    pub fn by_command(mut self, command: CommandId, by: &Authorship) -> Self {
        self.org.push(Event { by: by.clone(), what: Decided::CommandMade(command) });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(name: &str, digest: u8) -> CommandId {
        CommandId { name: name.into(), digest: [digest; 32] }
    }

    fn made(org: &mut Org, command: CommandId, at: Timestamp) {
        let by = Authorship { author: "ada".into(), reason: "test".into(), at, commit: None };
        org.evolve(&Event { by, what: Decided::CommandMade(command) });
    }

    #[test]
    fn a_command_that_was_made_is_known_again_and_no_other_takes_its_id() {
        let mut org = Org::default();
        assert_eq!(org.has_made(&command("a", 1)), Ok(false));
        made(&mut org, command("a", 1), Timestamp::EPOCH);
        assert_eq!(org.has_made(&command("a", 1)), Ok(true));
        assert_eq!(
            org.has_made(&command("a", 2)).unwrap_err().to_string(),
            "request_id \"a\" was that of another command; give every command its own"
        );
        assert_eq!(Org::from_image(org.image()), org);
    }

    #[test]
    fn commands_are_remembered_for_a_day_and_no_more_than_the_bound() {
        let mut org = Org::default();
        made(&mut org, command("first", 1), Timestamp::EPOCH);
        made(&mut org, command("second", 1), Timestamp::EPOCH.plus(COMMAND_MEMORY));
        assert_eq!(org.has_made(&command("first", 1)), Ok(true));
        let later = Timestamp::EPOCH.plus(COMMAND_MEMORY).plus(Duration::from_secs(1));
        made(&mut org, command("third", 1), later);
        assert_eq!(org.has_made(&command("first", 1)), Ok(false));
        for number in 0..COMMANDS_MAX - 1 {
            made(&mut org, command(&number.to_string(), 1), later);
        }
        assert_eq!(org.has_made(&command("third", 1)), Ok(true));
        made(&mut org, command("last", 1), later);
        assert_eq!(org.has_made(&command("third", 1)), Ok(false));
        assert_eq!(org.commands.iter().count(), COMMANDS_MAX);
    }
}
