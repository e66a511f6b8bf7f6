//! Faults that nobody has thought of yet: [`draw`] makes scenarios of most that a scenario can say, and
//! [`Shrinking`] makes one that a player fails as small as it gets.
//!
//! A drawn scenario needs no expectations of its own: what the viewer may expect is what the ideal player reaches.

mod draw;
mod shrink;

pub use draw::draw;
pub use shrink::{Parts, Shrinking};
