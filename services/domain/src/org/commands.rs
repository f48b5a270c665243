//! Commands that were made, remembered for a while, so that the same one again does nothing more.
//!
//! Most commands say by names what is to be so, and are so already when they come again. What this adds: one that comes
//! late does not undo what others have decided in between.

use std::collections::VecDeque;
use std::time::Duration;

use crate::authorship::Authorship;
use crate::org::{Decided, Event, Org, PolicyChange};
use crate::time::Timestamp;

/// Commands that are remembered of those that changed something: as many as a busy script gives in an hour. Beyond, the
/// oldest are forgotten.
pub const COMMANDS_MAX: usize = 1_024;
/// Those that are remembered of the others, beside them: whoever repeats what is so already makes nobody's command that
/// changed something be forgotten.
pub const IDLE_COMMANDS_MAX: usize = 256;
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

/// A command, and when it was made.
type Made = (Timestamp, CommandId);

/// The last commands that were made, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Commands {
    changing: VecDeque<Made>,
    idle: VecDeque<Made>,
}

impl Commands {
    pub(super) fn new(
        changing: impl IntoIterator<Item = Made>,
        idle: impl IntoIterator<Item = Made>,
    ) -> Self {
        Self { changing: changing.into_iter().collect(), idle: idle.into_iter().collect() }
    }

    /// Those that changed something.
    pub(super) fn changing(&self) -> impl Iterator<Item = &Made> {
        self.changing.iter()
    }

    /// Those that did not.
    pub(super) fn idle(&self) -> impl Iterator<Item = &Made> {
        self.idle.iter()
    }

    pub(super) fn remember(&mut self, command: CommandId, at: Timestamp, changing: bool) {
        (if changing { &mut self.changing } else { &mut self.idle }).push_back((at, command));
        forget(&mut self.changing, COMMANDS_MAX, at);
        forget(&mut self.idle, IDLE_COMMANDS_MAX, at);
    }
}

fn forget(made: &mut VecDeque<Made>, count_max: usize, now: Timestamp) {
    let too_old = |(at, _): &Made| at.plus(COMMAND_MEMORY) < now;
    while made.len() > count_max || made.front().is_some_and(too_old) {
        made.pop_front();
    }
}

impl Org {
    /// Whether a command was made before, as far as it is remembered.
    pub fn has_made(&self, command: &CommandId) -> Result<bool, CommandIdTaken> {
        let mut known = self.commands.changing().chain(self.commands.idle());
        match known.find(|(_, made)| made.name == command.name) {
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

    fn by(at: Timestamp) -> Authorship {
        Authorship { author: "ada".into(), reason: "test".into(), at, commit: None }
    }

    /// A command that changes something.
    fn made(org: &mut Org, command: CommandId, at: Timestamp) {
        let by = by(at);
        let team = Event { by: by.clone(), what: Decided::TeamRemoved("web".parse().unwrap()) };
        let change = PolicyChange { org: vec![team], ..PolicyChange::default() }.by_command(command, &by);
        let ended = Event { by: by.clone(), what: Decided::ChangeEnded { refused: None } };
        for event in change.intent(&by).into_iter().chain(change.org).chain([ended]) {
            org.evolve(&event);
        }
    }

    /// One that finds that all is so already.
    fn idled(org: &mut Org, command: CommandId, at: Timestamp) {
        let change = PolicyChange::default().by_command(command, &by(at));
        assert!(change.is_one_fact());
        org.evolve(&change.org[0]);
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
        assert_eq!(org.commands.changing().count(), COMMANDS_MAX);
    }

    #[test]
    fn however_many_commands_change_nothing_those_that_did_are_remembered() {
        let mut org = Org::default();
        made(&mut org, command("real", 1), Timestamp::EPOCH);
        for number in 0..2 * COMMANDS_MAX {
            idled(&mut org, command(&number.to_string(), 1), Timestamp::EPOCH);
        }
        assert_eq!(org.has_made(&command("real", 1)), Ok(true));
        assert_eq!(org.commands.idle().count(), IDLE_COMMANDS_MAX);
        assert_eq!(org.has_made(&command(&(2 * COMMANDS_MAX - 1).to_string(), 1)), Ok(true));
        assert_eq!(org.has_made(&command("0", 1)), Ok(false));
        assert_eq!(Org::from_image(org.image()), org);
        idled(&mut org, command("late", 1), Timestamp::EPOCH.plus(COMMAND_MEMORY * 2));
        assert_eq!(org.has_made(&command("real", 1)), Ok(false), "after a day");
    }
}
