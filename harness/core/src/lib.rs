//! Everything the suite decides without IO.

pub mod report;
