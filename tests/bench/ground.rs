//! What stands behind every peer: the services with their seed data, and one instance of each page, as release builds.

use crate::error::Error;
use crate::job::{Job, JobPage};
use crate::pages::Page;
use crate::probe::{self, Answer, Ask};
use crate::server::{Server, free_addresses};
use crate::tools::Tools;
use reqwest::Client;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// In memory, where the machine has such a folder: a disk is not what is measured.
const IN_MEMORY: &str = "/dev/shm";

/// Services and pages that run; dropped, they end, and the folder goes after them.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) tools: Tools,
    pub(crate) client: Client,
    pub(crate) pages: Vec<Instance>,
    services: Vec<(String, SocketAddr)>,
    _services: Vec<Server>,
    folder: TempDir,
}

/// One instance of a page.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) page: Page,
    pub(crate) address: SocketAddr,
    pub(crate) server: Server,
}

impl Ground {
    /// Starts all of them.
    pub(crate) async fn start(root: &Path, tools: Tools) -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix("pagefleet-bench-").tempdir_in(place())?;
        let client = client()?;
        let mut ground = Self { tools, client, pages: Vec::new(), services: Vec::new(), _services: Vec::new(), folder };
        ground.start_services(root).await?;
        for page in Page::all(root)? {
            let instance = ground.start_page(&page, 1)?;
            ground.pages.push(instance);
        }
        for instance in &mut ground.pages {
            instance.server.until_ready(&ground.client, &format!("http://{}/health/ready", instance.address)).await?;
        }
        Ok(ground)
    }

    async fn start_services(&mut self, root: &Path) -> Result<(), Error> {
        let parent = root.join("services");
        for entry in std::fs::read_dir(&parent).map_err(Error::at(&parent))? {
            let entry = entry.map_err(Error::at(&parent))?;
            if entry.path().join("src/main.rs").is_file() {
                let [address] = free_addresses()?;
                self.services.push((entry.file_name().to_string_lossy().into_owned(), address));
            }
        }
        for (name, address) in self.services.clone() {
            let mut server = self.start_program(&name, &name, address)?;
            server.until_ready(&self.client, &format!("http://{address}/health/ready")).await?;
            self._services.push(server);
        }
        Ok(())
    }

    /// Starts one more instance of a page; it is not waited for.
    pub(crate) fn start_page(&self, page: &Page, number: usize) -> Result<Instance, Error> {
        let [address] = free_addresses()?;
        let server = self.start_program(&page.name, &format!("{}-{number}", page.name), address)?;
        Ok(Instance { page: page.clone(), address, server })
    }

    fn start_program(&self, program: &str, name: &str, address: SocketAddr) -> Result<Server, Error> {
        let data = self.folder.path().join("data").join(program);
        std::fs::create_dir_all(&data).map_err(Error::at(&data))?;
        let mut command = Command::new(self.tools.ours(program));
        command.args(["--listen", &address.to_string()]).env("PAGEFLEET_DATA", data).env("PAGEFLEET_SETTLE", "0s");
        for (service, address) in &self.services {
            let variable = format!("PAGEFLEET_SERVICE_{}", service.to_uppercase().replace('-', "_"));
            command.env(variable, format!("http://{address}"));
        }
        Server::start(name, &mut command, self.folder.path())
    }

    /// A folder of that name for a peer's files.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The page that answers for a path: the frontpage for what has none.
    pub(crate) fn instance_for(&self, path: &str) -> Option<&Instance> {
        self.pages.iter().find(|instance| instance.page.has(path)).or_else(|| self.root())
    }

    fn root(&self) -> Option<&Instance> {
        self.pages.iter().find(|instance| instance.page.has("/"))
    }

    /// What a page itself answers, asked without anything in between.
    pub(crate) async fn answer(&self, page: &Instance, ask: &Ask) -> Result<Answer, Error> {
        let answer = probe::ask(&self.client, page.address, ask).await;
        let place = page.page.name.clone();
        answer.map_err(|reason| Error::Answer { place, path: ask.path.clone(), reason })
    }

    /// The job: these pages behind one address.
    pub(crate) async fn shop(&self, caching: bool) -> Result<Job, Error> {
        let (mut pages, mut ready) = (Vec::new(), Vec::new());
        for instance in &self.pages {
            let first = instance.page.routes.iter().find(|route| !route.contains('{'));
            let first = first.cloned().unwrap_or_else(|| "/".to_owned());
            let answer = self.answer(instance, &Ask::plain(&first)).await?;
            pages.push(JobPage {
                name: instance.page.name.clone(),
                routes: instance.page.routes.clone(),
                instances: vec![instance.address],
                is_public: answer.header("cache-control").contains("public"),
                has_manifest: true,
            });
            ready.push(first);
        }
        let fallback = self.root().map(|instance| instance.page.name.clone()).unwrap_or_default();
        Ok(Job { pages, fallback, caching, ready })
    }

    /// How many requests all pages have counted.
    pub(crate) async fn requests(&self) -> Result<u64, Error> {
        let mut sum = 0;
        for instance in &self.pages {
            let answer = self.answer(instance, &Ask::plain("/health/live")).await?;
            let live: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            sum += live["requests"].as_u64().unwrap_or_default();
        }
        Ok(sum)
    }
}

fn place() -> PathBuf {
    let in_memory = PathBuf::from(IN_MEMORY);
    let writable = tempfile::tempfile_in(&in_memory).is_ok();
    if writable { in_memory } else { std::env::temp_dir() }
}

/// Follows no redirect and knows no proxy: what it sees is what the server said.
fn client() -> Result<Client, Error> {
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    Ok(client.timeout(Duration::from_secs(10)).build()?)
}
