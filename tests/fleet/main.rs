//! The fleet's tests: real processes, real sockets, free ports, waiting on state and never on time.

mod architecture;
mod forwarding;
mod harness;
mod page_down;
mod referer;
mod routing;
mod shutdown;
mod strictness;
