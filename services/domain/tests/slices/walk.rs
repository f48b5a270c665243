//! Walks every state that can be reached in so many steps.

use std::collections::HashMap;

use crate::state::State;
use crate::step::{self, Step};

/// How large the walk is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    /// What the allocation has.
    pub(crate) tokens: u64,
    /// How many callers ask the node, and whether a gateway draws a slice for others.
    pub(crate) callers: usize,
    pub(crate) gateway: bool,
    pub(crate) depth: u8,
}

/// How far a walk came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Walked {
    pub(crate) states: usize,
    pub(crate) steps: usize,
}

struct Walk {
    body: Body,
    steps: Vec<Step>,
    /// States that were reached, and one more than how many steps were left from there.
    reached: HashMap<u64, u8>,
    taken: usize,
    path: Vec<Step>,
}

/// Walks all of it; the way to a state that breaks a promise is the error.
pub(crate) fn walk(body: Body) -> Result<Walked, String> {
    let mut walk = Walk { body, steps: step::all(body), reached: HashMap::new(), taken: 0, path: Vec::new() };
    let state = State::begin(body.tokens);
    walk.from(&state, body.depth)?;
    Ok(Walked { states: walk.reached.len(), steps: walk.taken })
}

impl Walk {
    fn from(&mut self, state: &State, left: u8) -> Result<(), String> {
        if left == 0 {
            return Ok(());
        }
        for place in 0..self.steps.len() {
            let step = self.steps[place];
            self.path.push(step);
            if let Some(next) = step::next(state, step) {
                self.taken += 1;
                let next = next.map_err(|broken| self.way_to(&broken))?;
                next.check(self.body.tokens).map_err(|broken| self.way_to(&broken))?;
                let reached = self.reached.entry(next.key()).or_default();
                if *reached < left {
                    *reached = left;
                    self.from(&next, left - 1)?;
                }
            }
            self.path.pop();
        }
        Ok(())
    }

    fn way_to(&self, broken: &str) -> String {
        let steps: Vec<String> = self.path.iter().map(|step| format!("  {step:?}")).collect();
        format!("{broken}, after\n{}", steps.join("\n"))
    }
}
