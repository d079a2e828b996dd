//! Where the outbox is, and how long it goes on trying.

use std::time::Duration;

use crate::data::Data;

/// The flags of a page that has an outbox.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    #[command(flatten)]
    pub(crate) data: Data,

    /// Postgres database for the outbox, as in `postgres://user:password@host/database`, in place of a file in the data
    /// folder.
    #[arg(long, env = "PAGEFLEET_OUTBOX_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) outbox_url: Option<String>,

    /// How long to go on trying before a command is parked, for people to look at; as in `24h`.
    #[arg(long, env = "PAGEFLEET_OUTBOX_PARK_AFTER", default_value = "24h", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) outbox_park_after: Duration,
}

impl Default for Settings {
    /// A temporary outbox, which goes with the process.
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self { data: Data::default(), outbox_url: None, outbox_park_after: day }
    }
}
