//! What a client of a stage's listeners gets, byte by byte, and what the stage records of it.
//!
//! No browser and no HTTP library: requests are written, and responses read, on bare TCP connections. Only HTTP/2 is
//! left to a library, which tells how each stream ended.

#[path = "wire/client.rs"]
mod client;
#[path = "wire/faults.rs"]
mod faults;
#[path = "wire/hosts.rs"]
mod hosts;
#[path = "wire/http2.rs"]
mod http2;
#[path = "wire/leaks.rs"]
mod leaks;
#[path = "wire/replies.rs"]
mod replies;
#[path = "wire/requests.rs"]
mod requests;
#[path = "wire/stand.rs"]
mod stand;
