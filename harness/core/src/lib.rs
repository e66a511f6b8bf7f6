//! Everything the suite decides without IO.

pub mod barcode;
pub mod report;
