//! The flags that all servers share, to flatten into a binary's own clap struct.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where a server listens and how it stops.
#[derive(Debug, Clone, clap::Args)]
pub struct Listen {
    /// Address to listen on; with port 0 the system picks one and the `listening` log line tells it.
    #[arg(long, env = "PAGEFLEET_LISTEN", default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// How long to go on answering after SIGTERM, so that whoever routes to us can notice; as in `2s` or `500ms`.
    #[arg(long, env = "PAGEFLEET_SETTLE", default_value = "2s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub settle: Duration,
}

/// Where a server keeps what it must not lose.
#[derive(Debug, Clone, clap::Args)]
pub struct Data {
    /// Folder for the server's database; made when it is not there.
    #[arg(long, env = "PAGEFLEET_DATA", value_name = "FOLDER")]
    pub data: PathBuf,
}
