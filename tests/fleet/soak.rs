//! The soak: rollouts, rollbacks and crashes, and every asset of every document that was ever served is asked for again
//! from everywhere. Small here; `cargo fleet soak` runs it in full.

use crate::harness::{Proxy, Setup, Stub, fingerprint, sha256, wait_until};
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PAGES: [&str; 3] = ["frontpage", "my-account", "checkout"];
/// How many ask at the same time.
const AT_ONCE: usize = 16;

/// How long it is; the seed decides which page goes where when.
struct Size {
    releases: usize,
    seed: u64,
}

fn in_full() -> bool {
    std::env::var("PAGEFLEET_SOAK").is_ok_and(|wanted| wanted == "full")
}

/// Numbers that look like chance and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}

/// What a release of a page is made of: some is shared with the other pages' releases of the same age, some its own.
fn release(page: &str, number: usize) -> Vec<String> {
    let bundle = number / 2;
    let hills = format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><title>hills {bundle}</title></svg>");
    let reference = format!("/assets/hills-{}.svg", &sha256(hills.as_bytes())[..16]);
    let assets = [
        format!("site.css=body{{background:url({reference});order:{bundle}}}"),
        format!("hills.svg={hills}"),
        format!("site.js=export const bundle = {bundle};"),
        format!("{page}.css=.{page}{{order:{number}}}"),
        format!("{page}.js=import '/assets/site.js'; export const release = {number};"),
    ];
    let assets = assets.into_iter().flat_map(|asset| ["--asset".to_owned(), asset]);
    let release = ["--release".to_owned(), number.to_string(), "--filler".to_owned(), "3x20000".to_owned()];
    release.into_iter().chain(assets).collect()
}

/// Every asset that some document had, with the page that first had it.
#[derive(Default)]
struct Served(BTreeMap<String, &'static str>);

impl Served {
    /// Reads the document that a visitor gets now, and asks for all of its assets at once, as a browser does.
    async fn visit(&mut self, proxy: &Proxy, page: &'static str) -> String {
        let answer = proxy.request("GET", &format!("/{page}")).header("accept", "text/html").send().await.unwrap();
        assert_eq!(answer.status(), 200, "/{page} while its releases change");
        let release = answer.headers()["x-stub-release"].to_str().unwrap().to_owned();
        let document = answer.text().await.unwrap();
        let links = document.split('"').filter(|part| part.starts_with("/assets/"));
        let links: Vec<_> = links.map(str::to_owned).collect();
        assert_eq!(links.len(), 8, "{document}");
        let referer = format!("/{page}");
        let asked = links.iter().map(|path| proxy.get_from(path, &referer));
        for (path, answer) in links.iter().zip(futures_util::future::join_all(asked).await) {
            assert_eq!(answer.status(), 200, "{path} of release {release} of {page}, just served");
        }
        for path in links {
            self.0.entry(path).or_insert(page);
        }
        release
    }

    /// Asks for everything from everywhere; how many answers were wanted, not 200, and not the right bytes.
    async fn ask_again(&self, proxy: &Proxy) -> (usize, usize, usize) {
        let asked = self.0.iter().flat_map(|(path, page)| self.referers(proxy, page).map(|referer| (path, referer)));
        let answers = futures_util::stream::iter(asked).map(async |(path, referer)| {
            let request = proxy.request("GET", path);
            let request = if referer.is_empty() { request } else { request.header("referer", &referer) };
            let answer = request.send().await.unwrap();
            let (status, bytes) = (answer.status(), answer.bytes().await.unwrap());
            let right = sha256(&bytes).starts_with(fingerprint(path));
            if status != 200 || !right {
                eprintln!("{status} {} for {path} from {referer:?}", if right { "right" } else { "WRONG" });
            }
            (status != 200, !right)
        });
        let answers: Vec<_> = answers.buffer_unordered(AT_ONCE).collect().await;
        let count = |wanted: fn(&(bool, bool)) -> bool| answers.iter().filter(|answer| wanted(answer)).count();
        (answers.len(), count(|answer| answer.0), count(|answer| answer.1))
    }

    fn referers(&self, proxy: &Proxy, page: &str) -> [String; 8] {
        let wrong = PAGES.iter().find(|other| **other != page).unwrap();
        let stylesheet = self.0.keys().find(|path| path.ends_with(".css")).unwrap();
        [
            proxy.url(&format!("/{page}")),
            proxy.url(&format!("/{wrong}/and/below")),
            String::new(),
            proxy.url("/"),
            proxy.url(stylesheet),
            proxy.url("/sw.js"),
            format!("http://evil.example/{page}"),
            "http://[::bad/%zz".to_owned(),
        ]
    }

    async fn assert_all_there(&self, proxy: &Proxy, when: &str) {
        let (requests, non_200, wrong) = self.ask_again(proxy).await;
        let assets = self.0.len();
        println!("soak: {assets} assets × 8 referers = {requests} requests {when}, {non_200} non-200, {wrong} wrong");
        assert_eq!((requests, non_200, wrong), (assets * 8, 0, 0), "{when}");
    }
}

/// One instance after the other gets another release: mostly the next, sometimes one of before, often without warning.
async fn roll(dice: &mut Dice, instances: &mut [Stub], numbers: (usize, usize)) -> String {
    let (next, newest) = numbers;
    let number = if newest > 0 && dice.below(4) == 0 { dice.below(newest) } else { next };
    let arguments = release(&instances[0].page, number);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    for instance in instances {
        if dice.below(2) == 0 {
            instance.process.signal(rustix::process::Signal::TERM);
            instance.process.wait().await;
        }
        instance.replace(&arguments).await;
    }
    number.to_string()
}

async fn soak(size: Size) {
    let started = Instant::now();
    let mut dice = Dice(size.seed);
    let mut setup = Setup::new();
    let mut fleet = Vec::new();
    for page in PAGES {
        let arguments = release(page, 0);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let instances = vec![Stub::start(page, &arguments).await, Stub::start(page, &arguments).await];
        setup = setup.page(page, &[instances[0].address, instances[1].address]);
        fleet.push((page, instances));
    }
    let mut proxy = setup.start().await;
    let mut served = Served::default();
    let (mut rollouts, mut crashes) = (0, 0);
    let mut next = [1; PAGES.len()];
    while next.iter().any(|number| *number < size.releases) {
        let turn = dice.below(PAGES.len());
        let (page, instances) = &mut fleet[turn];
        served.visit(&proxy, page).await;
        let number = next[turn].min(size.releases - 1);
        let wanted = roll(&mut dice, instances, (number, next[turn] - 1)).await;
        rollouts += 1;
        next[turn] += usize::from(wanted == number.to_string());
        wait_until("visitors see the release", async || (served.visit(&proxy, page).await == wanted).then_some(()))
            .await;
        if dice.below(5) == 0 {
            proxy = proxy.restart().await;
            crashes += 1;
            for page in PAGES {
                proxy.wait_for_state(page, "healthy", 2).await;
            }
        }
    }
    println!("soak: {rollouts} rollouts and {crashes} crashes of the proxy in {:?}", started.elapsed());
    served.assert_all_there(&proxy, "with every page running").await;
    drop(fleet);
    let proxy = proxy.restart().await;
    served.assert_all_there(&proxy, "after a restart with every page stopped").await;
    println!("soak: {:?}", started.elapsed());
}

#[tokio::test]
async fn every_asset_of_every_document_ever_served_is_found_again() {
    soak(Size { releases: if in_full() { 20 } else { 4 }, seed: 3 }).await;
}

/// Starts this many pages with six assets of 20 kB each and fills an empty vault from them.
async fn fill(pages: usize) -> (Duration, Proxy) {
    let starts = (0..pages).map(async |number| {
        let page = format!("page-{number}");
        Stub::start(&page, &["--filler", "6x20000", "--asset", &format!("site.css={}", ".a{}".repeat(number + 100))])
            .await
    });
    let stubs: Vec<_> = futures_util::stream::iter(starts).buffer_unordered(AT_ONCE).collect().await;
    let setup = stubs.iter().fold(Setup::new(), |setup, stub| setup.stub(stub));
    let started = Instant::now();
    let proxy = setup.start_cold().await;
    wait_until("the vault is full", async || {
        let counted = proxy.metric("pagefleet_vault{what=\"assets\"}").await;
        (counted == 7 * pages as u64).then_some(())
    })
    .await;
    (started.elapsed(), proxy)
}

#[tokio::test]
async fn the_vault_fills_from_cold_and_memory_per_asset_is_bounded_by_its_bytes() {
    for pages in if in_full() { vec![3, 300] } else { vec![3] } {
        let (took, proxy) = fill(pages).await;
        let vault = |what: &str| format!("pagefleet_vault{{what=\"{what}\"}}");
        let (assets, bytes) = (proxy.metric(&vault("assets")).await, proxy.metric(&vault("bytes")).await);
        let memory = proxy.metric(&vault("memory_bytes")).await;
        assert!(memory >= bytes, "{memory} bytes in memory for {bytes} that were just taken in");
        println!(
            "soak: {assets} assets of {pages} pages filled in {took:?}; for each {} bytes, {} in memory",
            bytes / assets,
            memory / assets
        );
        // Identity, and what compresses by a twentieth twice more.
        assert!(memory <= 3 * bytes, "{memory} bytes in memory for {bytes}");
    }
}
