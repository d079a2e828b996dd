//! What the proxy says of itself at its admin address: the state of every instance, and the counters of every release.

use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The proxy, to be asked. An error is a few words: why it can't be.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    client: Client,
    address: SocketAddr,
}

/// `GET /api/fleet`, as far as rollouts need it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    pub(crate) pages: Vec<PageState>,
    #[serde(default)]
    pub(crate) refused: Vec<RefusedFile>,
    #[serde(default)]
    pub(crate) config: ConfigState,
}

/// A page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct PageState {
    pub(crate) page: String,
    #[serde(default)]
    pub(crate) shares: BTreeMap<String, u8>,
    #[serde(default)]
    pub(crate) instances: Vec<Instance>,
}

/// One of its instances.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Instance {
    pub(crate) address: String,
    pub(crate) release: Option<String>,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) in_flight: u64,
    pub(crate) refused: Option<String>,
    #[serde(default)]
    pub(crate) ungated: bool,
    #[serde(default)]
    pub(crate) ejected: bool,
    pub(crate) problem: Option<String>,
}

/// A page file that is not used.
#[derive(Debug, Deserialize)]
pub(crate) struct RefusedFile {
    pub(crate) page: String,
    pub(crate) error: String,
}

/// What has become of a changed `proxy.toml`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ConfigState {
    #[serde(default)]
    pub(crate) needs_upgrade: Vec<String>,
}

impl Admin {
    /// Of the proxy whose admin address is `address`.
    pub(crate) fn new(client: Client, address: SocketAddr) -> Self {
        Self { client, address: crate::address::reachable(address) }
    }

    /// The state of the fleet, whole.
    pub(crate) async fn fleet_as_is(&self) -> Result<Value, String> {
        self.json().await
    }

    /// The state of the fleet.
    pub(crate) async fn fleet(&self) -> Result<Answer, String> {
        self.json().await
    }

    /// The counters, as Prometheus text.
    pub(crate) async fn metrics(&self) -> Result<String, String> {
        self.get("/metrics").await?.text().await.map_err(|_| "its answer broke off".to_owned())
    }

    async fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        self.get("/api/fleet").await?.json().await.map_err(|_| "its answer is not the JSON that we know".to_owned())
    }

    async fn get(&self, path: &str) -> Result<reqwest::Response, String> {
        let url = format!("http://{}{path}", self.address);
        let answer = self.client.get(url).send().await.map_err(|_| "no connection".to_owned())?;
        if answer.status().is_success() { Ok(answer) } else { Err(format!("status {}", answer.status())) }
    }
}

impl Answer {
    /// A page, if the proxy has it.
    pub(crate) fn page(&self, name: &str) -> Option<&PageState> {
        self.pages.iter().find(|page| page.page == name)
    }

    /// An instance of a page.
    pub(crate) fn instance(&self, page: &str, address: SocketAddr) -> Option<&Instance> {
        self.page(page)?.instances.iter().find(|instance| instance.address == address.to_string())
    }
}
