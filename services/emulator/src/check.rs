//! What can be wrong with settings whose types are right.

use std::collections::BTreeSet;

use weir_runtime::config::Problem;

use crate::config::{Config, Deployment};

impl Config {
    /// Names everything that is wrong; places are relative to the section.
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut names = BTreeSet::new();
        for (index, deployment) in self.deployments.iter().enumerate() {
            let mut say = |field: &str, message: &str| {
                found.push(Problem {
                    place: format!("deployments[{index}].{field}"),
                    message: message.to_owned(),
                });
            };
            if !names.insert(&deployment.name) {
                say("name", "is the name of another deployment too");
            }
            deployment.check(&mut say);
        }
        found
    }
}

/// A wait longer than this is a slip of the pen: an hour.
const WAIT_MS_MAX: f64 = 3_600_000.0;

impl Deployment {
    fn check(&self, say: &mut impl FnMut(&str, &str)) {
        if self.name.is_empty() || !self.name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/') {
            say("name", "must be visible ASCII without '/'");
        }
        if self.pacing.tokens_per_chunk == 0 {
            say("pacing.tokens_per_chunk", "must be at least 1");
        }
        if self.completion.tokens_min == 0 || self.completion.tokens_min > self.completion.tokens_max {
            say("completion", "needs 1 <= tokens_min <= tokens_max");
        }
        if self.dimensions == 0 {
            say("dimensions", "must be at least 1");
        }
        if !(0.0..1.0).contains(&self.reasoning_share) {
            say("reasoning_share", "must be at least 0 and less than 1");
        }
        let waits = [self.pacing.first_token_ms, self.pacing.token_gap_ms];
        if !waits.iter().all(|wait| (0.0..=WAIT_MS_MAX).contains(wait)) {
            say("pacing", "needs waits between 0 and 3600000 ms");
        }
        if self.faults.error_statuses.iter().any(|status| !(400..600).contains(status)) {
            say("faults.error_statuses", "must be between 400 and 599");
        }
        let shares = [
            ("cached_share", self.cached_share.unwrap_or(0.0)),
            ("pacing.jitter_share", self.pacing.jitter_share),
            ("faults.error_share", self.faults.error_share),
            ("faults.reset_share", self.faults.reset_share),
            ("faults.omit_usage_share", self.faults.omit_usage_share),
            ("faults.slow_share", self.faults.slow_share),
            ("faults.gzip_share", self.faults.gzip_share),
        ];
        for (field, _) in shares.into_iter().filter(|(_, share)| !(0.0..=1.0).contains(share)) {
            say(field, "must be between 0 and 1");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Encoding, Kind, Mode, OnDisconnect, Pacing};

    fn places(text: &str) -> Vec<String> {
        let config: Config = toml::from_str(text).unwrap();
        config.problems().into_iter().map(|problem| problem.place).collect()
    }

    #[test]
    fn the_defaults_are_right_and_serve_a_demo() {
        let config: Config = toml::from_str("").unwrap();
        assert_eq!(config.problems(), []);
        let names: Vec<_> = config.deployments.iter().map(|deployment| deployment.name.as_str()).collect();
        assert_eq!(names, ["gpt-4o", "gpt-4o-mini", "o4-mini", "text-embedding-3-small"]);
    }

    #[test]
    fn settings_are_written_as_documented() {
        let text = r#"
            on_disconnect = "finish"
            keys = ["key"]
            [[deployments]]
            name = "ptu"
            model = "gpt-4o"
            kind = "chat"
            encoding = "cl100k_base"
            mode = "provisioned"
            pacing = { first_token_ms = 5, token_gap_ms = 0.5 }
            faults = { reset_share = 0.1 }
        "#;
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.problems(), []);
        assert_eq!(config.on_disconnect, OnDisconnect::Finish);
        let deployment = &config.deployments[0];
        assert_eq!((deployment.model(), deployment.kind), ("gpt-4o", Kind::Chat));
        assert_eq!((deployment.mode, deployment.encoding), (Mode::Provisioned, Encoding::Cl100kBase));
        assert_eq!(deployment.pacing, Pacing { first_token_ms: 5.0, token_gap_ms: 0.5, ..Pacing::default() });
        assert!(!format!("{config:?}").contains("\"key\""), "keys are not shown");
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let text = r#"
            [[deployments]]
            completion = { tokens_min = 5, tokens_max = 4 }
            [[deployments]]
            name = "a"
            reasoning_share = 1.0
            pacing = { tokens_per_chunk = 0, token_gap_ms = -1 }
            [[deployments]]
            name = "a"
            faults = { error_statuses = [200], gzip_share = 1.5 }
        "#;
        assert_eq!(
            places(text),
            [
                "deployments[0].name",
                "deployments[0].completion",
                "deployments[1].pacing.tokens_per_chunk",
                "deployments[1].reasoning_share",
                "deployments[1].pacing",
                "deployments[2].name",
                "deployments[2].faults.error_statuses",
                "deployments[2].faults.gzip_share",
            ]
        );
    }
}
