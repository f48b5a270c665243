//! What a desk does, as stories.

mod borrowing;
mod holds;
mod slices;
mod story;
