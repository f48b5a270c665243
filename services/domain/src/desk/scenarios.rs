//! What a desk does, as stories.

mod borrowing;
mod budgets;
mod debt;
mod forged;
mod forgiven;
mod headroom;
mod holds;
mod money;
mod out_of_hand;
mod prospects;
mod rates;
mod repeated;
mod shadow;
mod slices;
mod story;
mod unsettled;
