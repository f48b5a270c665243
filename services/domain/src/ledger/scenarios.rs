//! What a pool answers, as stories: given what was decided, when something is asked, then this is the answer.

mod bursts;
mod holds;
mod story;
mod terms;
