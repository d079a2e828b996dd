//! The two kinds of file that an operator and the page teams write, parsed and validated: `proxy.toml` and one file
//! for each page.
//!
//! Nothing here knows pingora, sockets or processes, so that the deploy tool reads the same files as the proxy does.

mod error;
mod page_file;
mod proxy_file;
mod route;

pub use error::{ConfigError, Location};
pub use page_file::{PageFile, PagesFolder, read_pages};
pub use proxy_file::{Health, Limits, ProxyFile, Timeouts, VaultLimits, VaultPlace};
pub use route::{RESERVED_PREFIXES, Route, RouteError};
