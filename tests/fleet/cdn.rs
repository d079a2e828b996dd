//! A cache of somebody else in front of our proxy, as a CDN is: nginx and Varnish as Debian has them.

use crate::harness::{PATIENCE, Process, Proxy, free_address, wait_until};
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::process::Command;

/// A running cache.
pub(crate) struct Cdn {
    pub(crate) name: &'static str,
    address: SocketAddr,
    client: reqwest::Client,
    _process: Process,
    _folder: TempDir,
}

impl Cdn {
    /// Every cache that this machine has, in front of the proxy; says aloud which it has not.
    pub(crate) async fn all(proxy: &Proxy) -> Vec<Self> {
        let mut caches = Vec::new();
        for (name, program) in [("nginx", "nginx"), ("Varnish", "varnishd")] {
            match in_path(program) {
                Some(program) if name == "nginx" => caches.push(Self::nginx(program, proxy).await),
                Some(program) => caches.push(Self::varnish(program, proxy).await),
                None => eprintln!("SKIPPED: {name} is not here; `cargo fleet test` installs it"),
            }
        }
        caches
    }

    async fn nginx(program: PathBuf, proxy: &Proxy) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let place = folder.path().display();
        let bodies = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let bodies: String = bodies.iter().map(|kind| format!("{kind}_temp_path {place}/{kind};\n")).collect();
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        // One process, so that nothing is left when it is killed.
        let config = format!(
            "daemon off; master_process off; {user} pid {place}/pid; error_log stderr; events {{}}\n\
             http {{ access_log off; {bodies} proxy_cache_path {place}/cache keys_zone=cdn:1m;\n\
             server {{ listen {address}; location / {{ proxy_pass http://{proxy}; proxy_set_header Host $http_host;\n\
             proxy_http_version 1.1; proxy_cache cdn; add_header x-cache $upstream_cache_status always; }} }} }}\n",
            proxy = proxy.address,
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let process = Process::start(Command::new(program).arg("-e").arg("stderr").arg("-c").arg(file));
        Self::ready("nginx", address, process, folder).await
    }

    async fn varnish(program: PathBuf, proxy: &Proxy) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let mut command = Command::new(program);
        command.args(["-j", "none", "-F", "-s", "malloc,16m", "-T", "none", "-n"]).arg(folder.path().join("work"));
        command.args(["-a", &address.to_string(), "-b", &proxy.address.to_string()]);
        Self::ready("Varnish", address, Process::start(&mut command), folder).await
    }

    async fn ready(name: &'static str, address: SocketAddr, process: Process, folder: TempDir) -> Self {
        wait_until(&format!("{name} listens"), async || tokio::net::TcpStream::connect(address).await.ok()).await;
        let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self { name, address, client, _process: process, _folder: folder }
    }

    /// Asks with a Referer on the site that the cache serves.
    pub(crate) async fn get_from(&self, path: &str, referer: &str) -> reqwest::Response {
        let (url, referer) = (format!("http://{}{path}", self.address), format!("http://{}{referer}", self.address));
        self.client.get(url).header("referer", referer).send().await.unwrap()
    }
}

/// Whether the cache answered without asking us.
pub(crate) fn was_kept(answer: &reqwest::Response) -> bool {
    let text = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    // Varnish names the request that fetched what it kept after its own.
    text("x-cache") == "HIT" || text("x-varnish").contains(' ')
}

fn in_path(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    // Debian keeps servers where only root looks.
    let folders = std::env::split_paths(&folders).chain(["/usr/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
