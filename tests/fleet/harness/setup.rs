//! What stands behind a proxy, and the proxy's files.

use super::{PATIENCE, PageFiles, Process, Proxy, Sockets, Stub, binary, page_file, workspace};
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::process::Command;

/// What stands behind a proxy under test.
pub(crate) struct Setup {
    folder: TempDir,
    pages: Vec<(String, Vec<SocketAddr>)>,
    settings: String,
}

impl Setup {
    /// No page yet; health checks every 200 ms, no limit for a client.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("pages")).unwrap();
        Self { folder, pages: Vec::new(), settings: String::new() }
    }

    /// Adds a page with its instances; `frontpage` has `/` and `/frontpage/…`, the others `/<page>` and below.
    pub(crate) fn page(mut self, page: &str, instances: &[SocketAddr]) -> Self {
        self.pages.push((page.to_owned(), instances.to_vec()));
        self.page_file(page, &page_file(page, instances))
    }

    /// Adds the one instance of a page.
    pub(crate) fn stub(self, stub: &Stub) -> Self {
        self.page(&stub.page, &[stub.address])
    }

    /// Writes a page file as it is.
    pub(crate) fn page_file(self, page: &str, text: &str) -> Self {
        self.page_files().write(page, text);
        self
    }

    /// The folder of page files.
    pub(crate) fn page_files(&self) -> PageFiles {
        PageFiles::in_folder(&self.folder.path().join("pages"))
    }

    /// The vault's folder, unless a test names another.
    pub(crate) fn vault_folder(&self) -> PathBuf {
        self.folder.path().join("vault")
    }

    /// Puts other lines in the place of all that were added to proxy.toml, and writes it.
    pub(crate) fn set(&mut self, lines: &str) {
        self.settings = format!("{lines}\n");
        self.write_config();
    }

    /// Adds lines to proxy.toml, tables last.
    pub(crate) fn setting(mut self, lines: &str) -> Self {
        self.settings.push_str(lines);
        self.settings.push('\n');
        self
    }

    fn write_config(&self) {
        let errors = workspace().join("templates/errors");
        let text = format!(
            "listen = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\npages = \"pages\"\nerror_pages = {errors:?}\n\
             fallback_page = \"frontpage\"\npublic_hosts = [\"127.0.0.1\", \"shop.example\"]\ndebug_headers = true\n{}\n",
            self.settings
        );
        let unless_set = |table: &str, lines: &str| {
            if self.settings.contains(table) { String::new() } else { format!("{table}\n{lines}\n") }
        };
        let health = unless_set("[health]", "interval = \"200ms\"");
        // A test asks as often as it likes.
        let client_limit = unless_set("[client_limit]", "rate = 0");
        let file = self.folder.path().join("proxy.toml");
        std::fs::write(&file, text + &health + &client_limit).unwrap();
    }

    /// `pagefleet-proxy` with this configuration.
    pub(crate) fn proxy_command(&self) -> Command {
        let mut command = Command::new(binary("pagefleet-proxy"));
        command.arg("--config").arg(self.folder.path().join("proxy.toml"));
        command
    }

    /// Starts the proxy and waits until every instance that answers is healthy.
    pub(crate) async fn start(self) -> Proxy {
        let proxy = self.start_cold().await;
        for (page, instances) in proxy.setup.pages.clone() {
            proxy.wait_for_state(&page, "healthy", instances.len()).await;
        }
        proxy
    }

    /// Starts the proxy and waits for nothing.
    pub(crate) async fn start_cold(self) -> Proxy {
        let command = self.proxy_command();
        self.start_by(command).await
    }

    /// Starts the proxy on sockets that others hold too.
    pub(crate) async fn start_on(self, sockets: &Sockets) -> Proxy {
        let mut command = self.proxy_command();
        sockets.pass_to(&mut command);
        self.start_by(command).await
    }

    async fn start_by(self, mut command: Command) -> Proxy {
        self.write_config();
        let mut process = Process::start(&mut command);
        let listening = process.wait_until_listening().await;
        let address = |key: &str| listening[key].as_str().unwrap().parse().unwrap();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE);
        let (address, admin) = (address("address"), address("admin"));
        Proxy { address, admin, client: client.build().unwrap(), process, setup: self }
    }
}
