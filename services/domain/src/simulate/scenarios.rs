//! What a simulation finds, as stories.

mod budgets;
mod limits;
mod past;
mod story;
mod truth;
