//! Steady, bounded load as visitors make it: each is somebody with an address of his own, goes from page to page, asks
//! for everything that the documents pull in, and checks the bytes. What fails is never asked again.

mod client;
mod report;

pub(crate) use client::Client;
pub(crate) use report::Report;

use crate::harness::{Stub, fingerprint, sha256, wait_until};
use client::{Answer, for_a_document, from_a_document};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A page, and a path of it that answers with a document.
pub(crate) type Target = (&'static str, &'static str);

/// The three pages of the shop.
pub(crate) const SHOP: [Target; 3] =
    [("frontpage", "/"), ("my-account", "/my-account/sign-in"), ("checkout", "/checkout")];

/// Visitors under way.
pub(crate) struct Load {
    going: watch::Sender<bool>,
    visitors: JoinSet<Client>,
    report: Arc<Mutex<Report>>,
    started: Instant,
}

impl Load {
    /// Sends so many visitors: most with cookies, most over one connection for as long as that is kept.
    pub(crate) fn start(address: SocketAddr, targets: &[Target], visitors: u8) -> Self {
        Self::begin(address, targets, visitors, Kind::Browser)
    }

    /// Sends so many who take their time and ask for the documents alone: a page's figures soon have many requests, also
    /// when each takes long.
    pub(crate) fn of_readers(address: SocketAddr, target: Target, visitors: u8) -> Self {
        Self::begin(address, &[target], visitors, Kind::Reader)
    }

    fn begin(address: SocketAddr, targets: &[Target], visitors: u8, kind: Kind) -> Self {
        let (going, _) = watch::channel(true);
        let report = Arc::new(Mutex::new(Report::default()));
        let mut load = Self { going, visitors: JoinSet::new(), report, started: Instant::now() };
        for number in 0..visitors {
            let mut client = Client::new(number + 10, address);
            if number % 3 == 2 {
                client = client.without_cookies();
            }
            if number % 4 == 3 {
                client = client.without_keep_alive();
            }
            let visitor = Visitor { number: usize::from(number), client, kind, site: format!("http://{address}") };
            let recorder = Recorder { report: Arc::clone(&load.report), started: load.started };
            load.visitors.spawn(visitor.browse(targets.to_vec(), recorder, load.going.subscribe()));
        }
        load
    }

    /// What has been seen so far.
    pub(crate) fn so_far(&self) -> Report {
        self.report.lock().unwrap().clone()
    }

    /// Lets every visitor finish the page that he is at.
    pub(crate) async fn stop(self) -> Report {
        self.going.send_replace(false);
        let clients = self.visitors.join_all().await;
        let mut report = self.report.lock().unwrap().clone();
        report.took = self.started.elapsed();
        report.connections = clients.iter().map(|client| client.connections).sum();
        report.reopened = clients.iter().map(|client| client.reopened).sum();
        report
    }
}

/// Where visitors write down what they saw.
struct Recorder {
    report: Arc<Mutex<Report>>,
    started: Instant,
}

impl Recorder {
    fn note(&self, page: &'static str, what: impl FnOnce(&mut report::Page)) {
        what(self.report.lock().unwrap().pages.entry(page).or_default());
    }

    fn fail(&self, page: &'static str, path: &str, what: String) {
        let failure = report::Failure { after: self.started.elapsed(), path: path.to_owned(), what };
        self.note(page, |page| page.failures.push(failure));
    }
}

/// What a visitor is after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Everything that a document pulls in.
    Browser,
    /// Documents.
    Reader,
}

struct Visitor {
    number: usize,
    client: Client,
    kind: Kind,
    site: String,
}

impl Visitor {
    async fn browse(mut self, targets: Vec<Target>, recorder: Recorder, going: watch::Receiver<bool>) -> Client {
        for turn in self.number.. {
            if !*going.borrow() {
                break;
            }
            self.visit(targets[turn % targets.len()], &recorder).await;
            // The time a visitor looks at the page; each a little longer or shorter.
            let looks = Duration::from_millis(10 + turn as u64 * 7 % 20);
            tokio::time::sleep(if self.kind == Kind::Reader { looks * 5 } else { looks }).await;
        }
        self.client
    }

    /// Asks for a document, and for all that it pulls in.
    async fn visit(&mut self, (page, path): Target, recorder: &Recorder) {
        let asked = Instant::now();
        let Some(document) = self.ask(page, path, &for_a_document(), recorder).await else { return };
        let (took, release) = (asked.elapsed(), document.header("x-release").to_owned());
        if !document.is_html() {
            recorder.fail(page, path, format!("no document of release {release}"));
        }
        let visitor = self.client.has_cookies().then_some(self.number);
        recorder.note(page, |page| page.visited(release, visitor, took));
        if self.kind == Kind::Reader {
            return;
        }
        let referer = format!("{}{path}", self.site);
        for asset in assets_in(&String::from_utf8_lossy(&document.body)) {
            let Some(answer) = self.ask(page, &asset, &from_a_document(&referer), recorder).await else { continue };
            if !has_the_right_bytes(&asset, &answer) {
                recorder.note(page, |page| page.wrong_bytes.push(asset));
            }
        }
    }

    async fn ask(
        &mut self,
        page: &'static str,
        path: &str,
        headers: &[(&str, &str)],
        recorder: &Recorder,
    ) -> Option<Answer> {
        recorder.note(page, |page| page.requests += 1);
        let answer = match self.client.get(path, headers).await {
            Ok(answer) if answer.status == 200 => return Some(answer),
            Ok(answer) => {
                let (release, error) = (answer.header("x-release"), answer.header("x-proxy-error"));
                format!("{} of release {release:?}, proxy error {error:?}", answer.status)
            }
            Err(error) => error,
        };
        recorder.fail(page, path, format!("{answer} (visitor {})", self.number));
        None
    }
}

/// Every URL under `/assets/` in a document, each once.
fn assets_in(html: &str) -> Vec<String> {
    let starts = html.match_indices("/assets/").map(|(at, _)| &html[at..]);
    let ends_url = |character: char| character.is_whitespace() || "\"'<>()[],;\\?#".contains(character);
    let mut found: Vec<_> = starts.map(|rest| rest.split(ends_url).next().unwrap_or_default().to_owned()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Those of its fingerprint; a stable URL has none, but is no document.
fn has_the_right_bytes(path: &str, answer: &Answer) -> bool {
    let name = path.rsplit_once('.').and_then(|(stem, _)| stem.rsplit_once('-'));
    let is_fingerprinted =
        name.is_some_and(|(_, digits)| digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    if is_fingerprinted { sha256(&answer.body).starts_with(fingerprint(path)) } else { !answer.is_html() }
}

#[tokio::test]
async fn the_load_sees_what_fails_and_what_is_wrong() {
    let page = Stub::start(
        "checkout",
        &["--fail-percent", "20", "--asset", "site.css=a{}", "--asset", "page.css=b{}", "--fault", "page.css=flipped"],
    )
    .await;
    let load = Load::start(page.address, &[("checkout", "/checkout")], 4);
    wait_until("it has seen enough", async || (load.so_far().page("checkout").requests >= 100).then_some(())).await;
    let report = load.stop().await;
    let seen = report.page("checkout");
    assert_eq!(seen.wrong_bytes.len() as u64, seen.documents_of(""), "one asset of each document is wrong");
    assert!(!seen.wrong_bytes.is_empty() && seen.wrong_bytes.iter().all(|path| path.starts_with("/assets/page-")));
    assert!(!seen.failures.is_empty() && seen.failures.iter().all(|failure| failure.what.starts_with("500")));
    assert_eq!(seen.requests, seen.failures.len() as u64 + 3 * seen.documents_of(""));
}
