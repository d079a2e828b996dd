//! The verbs that every test is written in: start a page, put a proxy in front, ask, wait until.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// Nothing here takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The folder of the built binaries: the one that this test runs from.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo fleet test`, or `cargo build --workspace` first",
        path.display()
    );
    path
}

/// The root of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Polls until `ready` gives something.
pub(crate) async fn wait_until<T>(what: &str, mut ready: impl AsyncFnMut() -> Option<T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(value) = ready().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

/// A child process whose standard output is kept; killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    changed: watch::Receiver<usize>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sender, changed) = watch::channel(0);
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let kept = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                if std::env::var_os("TEST_LOG").is_some() {
                    eprintln!("{line}");
                }
                kept.lock().unwrap().push(line);
                sender.send_modify(|count| *count += 1);
            }
        });
        Self { child, lines, changed }
    }

    /// Waits for a line for which `wanted` gives something.
    pub(crate) async fn wait_for_line<T>(&mut self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        let search = async {
            let mut seen = 0;
            loop {
                let found = {
                    let lines = self.lines.lock().unwrap();
                    let found = lines[seen..].iter().find_map(|line| wanted(line));
                    seen = lines.len();
                    found
                };
                match found {
                    Some(value) => return Some(value),
                    None => self.changed.changed().await.ok()?,
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE * 4, search).await;
        found.ok().flatten().unwrap_or_else(|| panic!("no line with {what} in:\n{}", self.output()))
    }

    /// Waits for the `listening` line, and gives its JSON.
    pub(crate) async fn wait_until_listening(&mut self) -> Value {
        self.wait_for_line("`listening`", |line| {
            serde_json::from_str::<Value>(line).ok().filter(|line| line["message"] == "listening")
        })
        .await
    }

    pub(crate) fn output(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for the end; the exit code, or `None` after a signal.
    pub(crate) async fn wait(&mut self) -> Option<i32> {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        status.expect("the process should have ended").unwrap().code()
    }
}

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

/// What stands behind a proxy under test.
pub(crate) struct Setup {
    folder: TempDir,
    pages: Vec<(String, Vec<SocketAddr>)>,
    settings: String,
}

impl Setup {
    /// No page yet; health checks every 200 ms.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("pages")).unwrap();
        Self { folder, pages: Vec::new(), settings: String::new() }
    }

    /// Adds a page with its instances; `frontpage` has `/` and `/frontpage/…`, the others `/<page>` and below.
    pub(crate) fn page(mut self, page: &str, instances: &[SocketAddr]) -> Self {
        let root = if page == "frontpage" { "\"/\", " } else { "" };
        let quoted: Vec<_> = instances.iter().map(|address| format!("\"{address}\"")).collect();
        let text =
            format!("routes = [{root}\"/{page}\", \"/{page}/{{*rest}}\"]\ninstances = [{}]\n", quoted.join(", "));
        self.pages.push((page.to_owned(), instances.to_vec()));
        self.page_file(page, &text)
    }

    /// Adds the one instance of a page.
    pub(crate) fn stub(self, stub: &Stub) -> Self {
        self.page(&stub.page, &[stub.address])
    }

    /// Writes a page file as it is.
    pub(crate) fn page_file(self, page: &str, text: &str) -> Self {
        std::fs::write(self.folder.path().join(format!("pages/{page}.toml")), text).unwrap();
        self
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
        let health = if self.settings.contains("[health]") { "" } else { "[health]\ninterval = \"200ms\"\n" };
        let file = self.folder.path().join("proxy.toml");
        std::fs::write(&file, text + health).unwrap();
    }

    fn proxy_command(&self) -> Command {
        let mut command = Command::new(binary("pagefleet-proxy"));
        command.arg("--config").arg(self.folder.path().join("proxy.toml"));
        command
    }

    /// Starts the proxy and waits until every instance that answers is healthy.
    pub(crate) async fn start(self) -> Proxy {
        let proxy = self.start_cold().await;
        for (page, instances) in &proxy.setup.pages {
            proxy.wait_for_state(page, "healthy", instances.len()).await;
        }
        proxy
    }

    /// Starts the proxy and waits for nothing.
    pub(crate) async fn start_cold(self) -> Proxy {
        self.write_config();
        let mut process = Process::start(&mut self.proxy_command());
        let listening = process.wait_until_listening().await;
        let address = |key: &str| listening[key].as_str().unwrap().parse().unwrap();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE);
        Proxy {
            address: address("address"),
            admin: address("admin"),
            client: client.build().unwrap(),
            process,
            setup: self,
        }
    }
}

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    client: reqwest::Client,
    setup: Setup,
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

    /// The vault's folder, unless a test names another.
    pub(crate) fn vault_folder(&self) -> PathBuf {
        self.setup.folder.path().join("vault")
    }

    /// `pagefleet-proxy <verb> …` with the configuration of this proxy.
    pub(crate) async fn run(&self, arguments: &[&str]) -> std::process::Output {
        self.setup.proxy_command().args(arguments).output().await.unwrap()
    }

    /// What the admin address says of a page's instances.
    pub(crate) async fn instances(&self, page: &str) -> Vec<Value> {
        let fleet = self.fleet().await;
        let found = fleet["pages"].as_array().unwrap().iter().find(|found| found["page"] == page);
        found.unwrap()["instances"].as_array().unwrap().clone()
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

/// SHA-256 as 64 hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The fingerprint in an asset's URL.
pub(crate) fn fingerprint(path: &str) -> &str {
    path.rsplit_once('.').unwrap().0.rsplit_once('-').unwrap().1
}

/// An address that nobody listens at.
pub(crate) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A response's header as text, or "".
pub(crate) fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// `fleet <verb> …` in a folder inside the workspace.
pub(crate) fn fleet_command(folder: &Path) -> Command {
    let mut command = Command::new(binary("fleet"));
    command.current_dir(folder);
    command
}

/// Whether a process is there and no zombie.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

/// The text between two marks.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after} in {rest}")).0
}

/// The whole shop, started by `cargo fleet up` in a folder of its own.
pub(crate) struct Fleet {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl Fleet {
    pub(crate) async fn up(arguments: &[&str]) -> Self {
        Self::up_in(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(), arguments).await
    }

    /// After the first has ended, in the same folder.
    pub(crate) async fn up_again(mut self, arguments: &[&str]) -> Self {
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        drop(self);
        Self::up_in(folder, arguments).await
    }

    async fn up_in(folder: TempDir, arguments: &[&str]) -> Self {
        let mut command = fleet_command(folder.path());
        command.args(["up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(arguments);
        let mut process = Process::start(&mut command);
        let address =
            process.wait_for_line("ready", |line| line.strip_prefix("ready http://").map(str::to_owned)).await;
        Self { process, address: address.parse().unwrap(), folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Another verb in the fleet's folder.
    pub(crate) async fn run(&self, arguments: &[&str]) -> std::process::Output {
        fleet_command(self.folder.path()).args(arguments).output().await.unwrap()
    }

    fn children(&self) -> Vec<(String, u32)> {
        let text = std::fs::read_to_string(self.folder.path().join(".fleet/fleet.json")).unwrap();
        let fleet: Value = serde_json::from_str(&text).unwrap();
        let children = fleet["children"].as_array().unwrap().iter();
        let pid = |child: &Value| u32::try_from(child["pid"].as_u64()?).ok();
        children.filter_map(|child| Some((child["name"].as_str()?.to_owned(), pid(child)?))).collect()
    }

    pub(crate) async fn pids(&self) -> Vec<u32> {
        self.children().into_iter().map(|(_, pid)| pid).collect()
    }

    /// The process of the first child whose name starts so.
    pub(crate) async fn pid_of(&self, name: &str) -> u32 {
        wait_until("the child has a process", async || {
            self.children().into_iter().find(|(child, _)| child.starts_with(name)).map(|(_, pid)| pid)
        })
        .await
    }
}

impl Drop for Fleet {
    /// The supervisor ends its children; a test that panicked must not leave them.
    fn drop(&mut self) {
        let pids: Vec<_> = self.children_if_any();
        if let Some(supervisor) =
            self.process.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.try_into().ok()?))
        {
            let _ = rustix::process::kill_process(supervisor, rustix::process::Signal::KILL);
        }
        for pid in pids.into_iter().filter_map(|pid| rustix::process::Pid::from_raw(pid.try_into().ok()?)) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

impl Fleet {
    fn children_if_any(&self) -> Vec<u32> {
        let there = self.folder.path().join(".fleet/fleet.json").exists();
        if there { self.children().into_iter().map(|(_, pid)| pid).collect() } else { Vec::new() }
    }
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    headers: reqwest::header::HeaderMap,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Somebody with a browser's cookies and headers, who follows no redirect by himself.
pub(crate) struct Visitor {
    client: reqwest::Client,
    root: String,
}

impl Visitor {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let client =
            reqwest::Client::builder().cookie_store(true).redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE);
        Self { client: client.build().unwrap(), root: fleet.url("") }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.answer(self.client.get(format!("{}{path}", self.root)).header("accept", "text/html,*/*")).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.client.post(format!("{}{path}", self.root)).header("sec-fetch-site", "same-origin");
        self.answer(request.form(form)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }
}
