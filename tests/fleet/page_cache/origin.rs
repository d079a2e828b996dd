//! A page that answers what a test says, byte by byte, and remembers what it was asked.

use crate::harness::{PATIENCE, Proxy, Setup, fingerprint, sha256, wait_until};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// One request, as it came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: HashMap<String, String>,
    /// Which question for this target it is, from 1 on.
    pub(super) nth: usize,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What it is answered.
pub(super) enum Reply {
    /// These bytes.
    Now(String),
    /// These bytes, when the gate has been opened.
    Held(String),
    /// These bytes, when so many questions have come.
    Together(usize, String),
    /// These bytes, then the end of the connection.
    Cut(String),
}

type Script = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A page in this process.
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    state: Arc<State>,
    server: tokio::task::JoinHandle<()>,
}

struct State {
    script: Mutex<Arc<Script>>,
    asked: watch::Sender<Vec<Asked>>,
    gate: watch::Sender<bool>,
    /// Release and stylesheet, for a page with a manifest.
    release: Option<(String, String)>,
}

impl Origin {
    /// A page without a manifest.
    pub(super) async fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(script, None).await
    }

    /// A page whose release has one asset.
    pub(super) async fn of_release(
        release: &str,
        css: &str,
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(script, Some((release.to_owned(), css.to_owned()))).await
    }

    async fn serve(
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        release: Option<(String, String)>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, gate) = (watch::Sender::default(), watch::Sender::new(false));
        let state = Arc::new(State { script: Mutex::new(Arc::new(script)), asked, gate, release });
        let shared = Arc::clone(&state);
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                connections.spawn(async move { state.connection(stream).await });
            }
        });
        Self { address, state, server }
    }

    /// From now on it answers by another script.
    pub(super) fn now(&self, script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        *self.state.script.lock().unwrap() = Arc::new(script);
    }

    /// Lets go what is held.
    pub(super) fn open(&self) {
        self.state.gate.send_replace(true);
    }

    /// What it was asked of a target.
    pub(super) fn asked(&self, target: &str) -> Vec<Asked> {
        self.state.asked.borrow().iter().filter(|asked| asked.target == target).cloned().collect()
    }

    /// How often it was asked for a target.
    pub(super) fn count(&self, target: &str) -> usize {
        self.asked(target).len()
    }

    /// Waits until it was asked so often for a target.
    pub(super) async fn wait_for(&self, target: &str, count: usize) {
        wait_until(&format!("{target} is asked for {count} times"), async || {
            (self.count(target) >= count).then_some(())
        })
        .await;
    }

    /// Its page file.
    pub(super) fn page_file(&self) -> String {
        let contract = if self.state.release.is_some() { "" } else { "manifest = false\nhealth = \"/health\"\n" };
        format!("routes = [\"/p\", \"/p/{{*rest}}\"]\ninstances = [\"{}\"]\n{contract}", self.address)
    }

    /// The path of its asset.
    pub(super) fn asset(&self) -> String {
        let (_, css) = self.state.release.as_ref().unwrap();
        format!("/assets/site-{}.css", &sha256(css.as_bytes())[..16])
    }

    /// A proxy in front of it, with more lines in proxy.toml.
    pub(super) async fn proxy(&self, settings: &str) -> Proxy {
        let setup = Setup::new().page_file("p", &self.page_file()).setting(settings);
        let proxy = setup.start_cold().await;
        proxy.wait_for_state("p", "healthy", 1).await;
        proxy
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl State {
    async fn connection(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(mut asked) = read(&mut stream).await {
            if let Some(answer) = self.contract(&asked.target) {
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
            self.asked.send_modify(|all| {
                asked.nth = 1 + all.iter().filter(|other| other.target == asked.target).count();
                all.push(asked.clone());
            });
            let script = Arc::clone(&self.script.lock().unwrap());
            let (bytes, is_last) = match script(&asked) {
                Reply::Now(bytes) => (bytes, false),
                Reply::Cut(bytes) => (bytes, true),
                Reply::Held(bytes) => {
                    let _ = self.gate.subscribe().wait_for(|open| *open).await;
                    (bytes, false)
                }
                Reply::Together(count, bytes) => {
                    let mut all = self.asked.subscribe();
                    let come =
                        all.wait_for(|all| all.iter().filter(|other| other.target == asked.target).count() >= count);
                    let _ = tokio::time::timeout(PATIENCE, come).await;
                    (bytes, false)
                }
            };
            if stream.write_all(bytes.as_bytes()).await.is_err() || is_last {
                return;
            }
        }
    }

    fn contract(&self, target: &str) -> Option<String> {
        if target.starts_with("/health") {
            return Some(ok("", "well"));
        }
        let (release, css) = self.release.as_ref()?;
        let sha256 = sha256(css.as_bytes());
        let path = format!("/assets/site-{}.css", &sha256[..16]);
        if target == "/.well-known/page.json" {
            let asset = format!(
                r#"{{"name":"site.css","path":"{path}","sha256":"{sha256}","size":{},"type":"text/css"}}"#,
                css.len()
            );
            return Some(ok("", &format!(r#"{{"page":"p","release":"{release}","assets":[{asset}]}}"#)));
        }
        (target == path).then(|| ok(&format!("etag: \"{}\"\r\ncontent-type: text/css\r\n", fingerprint(&path)), css))
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut field = String::new();
        stream.read_line(&mut field).await.ok()?;
        let Some((name, value)) = field.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    Some(Asked { method, target, headers, nth: 0 })
}

/// A 200 with more header lines, each with its end.
pub(super) fn ok(lines: &str, body: &str) -> String {
    status("200 OK", lines, body)
}

/// An answer of any status.
pub(super) fn status(status: &str, lines: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{lines}content-length: {}\r\n\r\n{body}", body.len())
}
