//! A page that is a stub.

use super::{Process, binary};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::process::Command;

/// A running stub page.
pub(crate) struct Stub {
    pub(crate) process: Process,
    pub(crate) page: String,
    pub(crate) address: SocketAddr,
}

impl Stub {
    /// Starts `stub-page --page <page>` with more arguments, on a free port.
    pub(crate) async fn start(page: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary("stub-page"));
        let mut process = Process::start(command.args(["--page", page]).args(arguments));
        let address = process.wait_until_listening().await["address"].as_str().unwrap().parse().unwrap();
        Self { process, page: page.to_owned(), address }
    }

    /// Kills the process, and starts another at its address, with other arguments.
    pub(crate) async fn replace(&mut self, arguments: &[&str]) {
        self.process.kill().await;
        let address = self.address.to_string();
        *self = Self::start(&self.page, &[&["--listen", &address], arguments].concat()).await;
    }

    /// How many page and asset requests it has counted.
    pub(crate) async fn requests(&self) -> u64 {
        let live = reqwest::get(format!("http://{}/health/live", self.address)).await.unwrap();
        live.json::<Value>().await.unwrap()["requests"].as_u64().unwrap()
    }

    /// The SHA-256-named URL of an asset that it has.
    pub(crate) async fn fingerprinted(&self, name: &str) -> String {
        self.assets().await.into_iter().find(|(asset, _)| asset == name).unwrap().1
    }

    /// Name and fingerprinted URL of all its assets.
    pub(crate) async fn assets(&self) -> Vec<(String, String)> {
        let manifest = reqwest::get(format!("http://{}/.well-known/page.json", self.address)).await.unwrap();
        let manifest: Value = manifest.json().await.unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        manifest["assets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|asset| (text(&asset["name"]), text(&asset["path"])))
            .collect()
    }
}
