//! Everything the suite decides without IO, in suggested reading order.
//!
//! Absent on purpose: sockets, files, processes, and any clock but the one given as an argument.

pub mod action;
pub mod barcode;
pub mod conduct;
pub mod coverage;
pub mod exchange;
pub mod expect;
pub mod fault;
pub mod hls;
pub mod hunt;
pub mod ideal;
pub mod judge;
pub mod lanes;
pub mod media;
pub mod notation;
pub mod origin;
pub mod pictures;
pub mod presentation;
pub mod regret;
pub mod report;
pub mod rules;
pub mod scenario;
pub mod selfcheck;
pub mod timeline;
pub mod tolerance;
pub mod trace;
pub mod view;
pub mod witness;
