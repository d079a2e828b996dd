//! The fleet's tests: real processes, real sockets, free ports, waiting on state and never on time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod architecture;
mod asset_headers;
mod browser;
mod browser_harness;
mod cdn;
mod fleet_tool;
mod forwarding;
mod gate;
mod harness;
mod page_contract;
mod page_down;
mod poison;
mod referer;
mod routing;
mod shop;
mod shutdown;
mod soak;
mod strictness;
mod two_builds;
mod vault;
