//! The fleet's tests: real processes, real sockets, free ports, waiting on state and never on time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod architecture;
mod asset_headers;
mod bad_releases;
mod browser;
mod browser_harness;
mod cdn;
mod dns;
mod drain;
mod ejection;
mod failing_services;
mod fleet_tool;
mod forwarding;
mod gate;
mod harness;
mod inherited_sockets;
mod limits;
mod load;
mod order_rollout;
mod outbox;
mod page_cache;
mod page_contract;
mod page_down;
mod page_files;
mod poison;
mod referer;
mod rollout;
mod rollout_interrupted;
mod routing;
mod shares;
mod shop;
mod shutdown;
mod soak;
mod strictness;
mod two_builds;
mod upgrade_proxy;
mod vault;
