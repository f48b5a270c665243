//! What is decided about a pool, as stories: given what was decided, when something is asked, then this is the answer.

mod allocations;
mod bursts;
mod plans;
mod random;
mod story;
mod verdicts;
