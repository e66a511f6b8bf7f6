//! Tests of what is decided without IO, each against a good example from which it bends one thing.

mod media;
mod session;

mod generated;
mod ideal;
mod judge;
mod origin;
mod parsing;
mod regret;
mod rules;
mod schema;
mod selfcheck;

/// The cases of a property are the same in each run: a change that passes once passes always.
const SEED: u64 = 8216;
