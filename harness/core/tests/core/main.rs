//! Tests of what is decided without IO, each against a good example from which it bends one thing.

mod media;
mod session;

mod ideal;
mod judge;
mod origin;
mod parsing;
mod rules;
mod selfcheck;
