//! What a desk does, as stories.

mod borrowing;
mod budgets;
mod holds;
mod slices;
mod story;
