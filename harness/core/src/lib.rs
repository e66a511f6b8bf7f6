//! Everything the suite decides without IO, in suggested reading order.
//!
//! Absent on purpose: sockets, files, processes, and any clock but the one given as an argument.

pub mod notation;
pub mod scenario;
pub mod fault;
pub mod hls;
pub mod media;
pub mod barcode;
pub mod timeline;
pub mod origin;
pub mod ideal;
pub mod trace;
pub mod view;
pub mod expect;
pub mod rules;
pub mod selfcheck;
pub mod judge;
pub mod report;
