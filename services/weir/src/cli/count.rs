//! Numbers as people type them.
//!
//! A number below zero is read as a number, so that what is said of it is its range, and not that there is no such option.

use std::str::FromStr;

/// A whole number of at least one, with or without marks: `50000`, `50_000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

/// Why a text is no such number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is a whole number from 1 on, such as 50000 or 50_000")]
pub(crate) struct InvalidCount;

impl FromStr for Count {
    type Err = InvalidCount;

    fn from_str(text: &str) -> Result<Self, InvalidCount> {
        let digits: String = text.chars().filter(|char| *char != '_').collect();
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let count = is_number.then(|| digits.parse().ok()).flatten().filter(|count| *count > 0);
        count.map(Self).ok_or(InvalidCount)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::Cli;
    use super::*;

    #[test]
    fn a_count_is_at_least_one_and_may_have_marks() {
        assert_eq!(["1", "50_000", "007"].map(str::parse), [1, 50_000, 7].map(|it| Ok(Count(it))));
        for text in ["0", "-5", "", "_", "1.5", "5k", "+5", "99999999999999999999"] {
            assert_eq!(text.parse::<Count>(), Err(InvalidCount), "{text}");
        }
    }

    #[test]
    fn what_is_below_zero_is_told_with_its_option_and_what_would_be_right() {
        for (line, field, right) in [
            ("weir headroom chat --tokens -5", "--tokens <N>", "from 1 on"),
            ("weir events --last -5", "--last <N>", "from 1 on"),
            ("weir verify --wait -5", "--wait <SECONDS>", "from 0 to 3600"),
            ("weir keys rotate chat --overlap -5d", "--overlap <SPAN>", "such as 90m"),
            ("weir keys create chat --expires -5", "--expires <INSTANT>", "+2h"),
            (
                "weir burst request chat --pool gpt --extra -5 --start +1h --end +2h --reason r",
                "--extra <N>",
                "from 1 on",
            ),
            (
                "weir burst request chat --pool gpt --extra 5 --start -5 --end +2h --reason r",
                "--start <INSTANT>",
                "+2h",
            ),
        ] {
            let said = Cli::try_parse_from(line.split(' ')).unwrap_err().to_string();
            assert!(said.contains(&format!("for '{field}'")) && said.contains(right), "{line}: {said}");
        }
    }

    #[test]
    fn every_number_instant_and_span_may_begin_with_a_hyphen() {
        fn check(command: &clap::Command, path: &str) {
            for argument in command.get_arguments() {
                let value = argument
                    .get_value_names()
                    .and_then(|names| names.first())
                    .map(clap::builder::Str::as_str);
                if matches!(value, Some("N" | "SECONDS" | "INSTANT" | "SPAN")) {
                    assert!(argument.is_allow_hyphen_values_set(), "{path} {}", argument.get_id());
                }
            }
            command.get_subcommands().for_each(|sub| check(sub, &format!("{path} {}", sub.get_name())));
        }
        check(&Cli::command(), "weir");
    }
}
