//! The protocol, on ports that fail, crash, apply late or forget at any step.

mod group;
mod protocol;
mod samples;
mod world;
