//! How another `cargo fleet` asks the supervisor for something that changes the fleet: over a Unix socket that only its
//! owner may use, one request as a line of JSON, then a line for each event until the outcome. Whoever asks may go away:
//! the work goes on.

mod client;
mod event;
mod request;
mod server;

pub(crate) use client::ask;
pub(crate) use event::{Event, Failure, Report};
pub(crate) use request::{Request, Terms};
pub(crate) use server::Control;

#[cfg(test)]
mod tests;
