//! The two kinds of file that an operator and the page teams write, parsed and validated: `proxy.toml` and one file
//! for each page.
//!
//! Nothing here knows pingora, sockets or processes, so that the deploy tool reads the same files as the proxy does.

mod bounds;
mod claims;
mod error;
mod folder;
mod instance_source;
mod page_file;
mod page_set;
mod proxy_file;
mod proxy_settings;
mod route;
mod settle;
mod shape;
mod shares;
mod upgrade;

pub use bounds::Bounds;
pub use error::{ConfigError, Location};
pub use folder::{read_folder, read_pages};
pub use instance_source::InstanceSource;
pub use page_file::PageFile;
pub use page_set::{Look, PageSet};
pub use proxy_file::{ProxyFile, VaultPlace};
pub use proxy_settings::{Cache, ClientLimit, Dns, Ejection, Health, Limits, Timeouts, VaultLimits};
pub use route::{RESERVED_PREFIXES, Route, RouteError};
pub use shares::Shares;
