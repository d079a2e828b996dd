//! The fleet's tests: real processes, real sockets, free ports, waiting on state and never on time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod architecture;
mod browser;
mod browser_harness;
mod fleet_tool;
mod forwarding;
mod harness;
mod page_contract;
mod page_down;
mod referer;
mod routing;
mod shop;
mod shutdown;
mod strictness;
