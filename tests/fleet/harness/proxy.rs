//! A proxy, and what it says of itself.

use super::{PATIENCE, PageFiles, Process, Setup, Sockets, wait_until};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(super) client: reqwest::Client,
    pub(super) setup: Setup,
}

impl Proxy {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.request("GET", path).send().await.unwrap()
    }

    /// Asks with a Referer on our own origin.
    pub(crate) async fn get_from(&self, path: &str, referer: &str) -> reqwest::Response {
        self.request("GET", path).header("referer", self.url(referer)).send().await.unwrap()
    }

    /// Kills the process, and starts another on the same folder; it waits for no instance.
    pub(crate) async fn restart(mut self) -> Self {
        self.process.kill().await;
        self.start_again().await
    }

    /// After the process has ended, another on the same folder.
    pub(crate) async fn start_again(self) -> Self {
        self.setup.start_cold().await
    }

    /// Starts another process on the same files and sockets, and waits until it accepts too.
    pub(crate) async fn start_successor(&self, sockets: &Sockets) -> Process {
        let mut command = self.setup.proxy_command();
        sockets.pass_to(&mut command);
        let mut successor = Process::start(&mut command);
        successor.wait_until_listening().await;
        successor
    }

    /// The vault's folder, unless a test names another.
    pub(crate) fn vault_folder(&self) -> PathBuf {
        self.setup.vault_folder()
    }

    /// The folder of page files.
    pub(crate) fn page_files(&self) -> PageFiles {
        self.setup.page_files()
    }

    /// Rewrites proxy.toml with these lines in the place of all that a test had added.
    pub(crate) fn set(&mut self, lines: &str) {
        self.setup.set(lines);
    }

    /// `pagefleet-proxy <verb> …` with the configuration of this proxy.
    pub(crate) async fn run(&self, arguments: &[&str]) -> std::process::Output {
        self.setup.proxy_command().args(arguments).output().await.unwrap()
    }

    /// What the admin address says of a page's instances; nothing, if it does not know the page.
    pub(crate) async fn instances(&self, page: &str) -> Vec<Value> {
        let fleet = self.fleet().await;
        let found = fleet["pages"].as_array().unwrap().iter().find(|found| found["page"] == page);
        found.map(|found| found["instances"].as_array().unwrap().clone()).unwrap_or_default()
    }

    /// What the admin address says of one instance.
    pub(crate) async fn instance(&self, page: &str, address: SocketAddr) -> Value {
        let address = address.to_string();
        let instances = self.instances(page).await;
        instances.into_iter().find(|instance| instance["address"] == address).unwrap_or_default()
    }

    /// Why the admin address says a page's file is refused.
    pub(crate) async fn refusal(&self, page: &str) -> Option<String> {
        let fleet = self.fleet().await;
        let found = fleet["refused"].as_array().unwrap().iter().find(|refused| refused["page"] == page)?;
        Some(found["error"].as_str().unwrap().to_owned())
    }

    /// The number behind a name, labels included, in `/metrics`; 0 when it isn't there.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let answer = self.client.get(format!("http://{}/metrics", self.admin)).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or(0)
    }

    /// What the admin address says of the fleet.
    pub(crate) async fn fleet(&self) -> Value {
        let answer = self.client.get(format!("http://{}/api/fleet", self.admin)).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Waits until a page has `count` instances in a state.
    pub(crate) async fn wait_for_state(&self, page: &str, state: &str, count: usize) {
        wait_until(&format!("{page} has {count} instances {state}"), async || {
            let instances = self.instances(page).await;
            (instances.iter().filter(|instance| instance["state"] == state).count() == count).then_some(())
        })
        .await;
    }

    /// Sends bytes as they are, and reads until the other side ends or `until` is there.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let (address, bytes) = (self.address, bytes.to_vec());
        tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(&bytes).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            String::from_utf8_lossy(&answer).into_owned()
        })
        .await
        .unwrap()
    }
}
