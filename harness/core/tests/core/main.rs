//! Tests of what is decided without IO, each against a good example from which it bends one thing.

mod session;

mod judge;
mod rules;
mod selfcheck;
