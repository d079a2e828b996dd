//! The scenarios of the shop: what is asked of peers that cache, and of peers that do not.

use crate::discovery;
use crate::error::Error;
use crate::ground::Ground;
use crate::peers::{Kind, Peer};
use crate::probe::{self, Ask, Expected};
use crate::rounds::{Cell, Scenario};
use crate::visit::{self, Step};

/// A page that is rendered for each visitor, so that no cache may keep it.
pub(crate) const PRIVATE_PAGE: &str = "/checkout";
const PUBLIC_PAGE: &str = "/";
const STABLE_ASSET: &str = "/assets/site.css";

/// What the pages answer: found once, the same for all peers.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) visit: Vec<Step>,
    private_page: Expected,
    public_page: Expected,
    /// The biggest stylesheet or script by its fingerprinted URL.
    asset: Step,
}

impl Shop {
    /// Asks the pages.
    pub(crate) async fn read(ground: &Ground) -> Result<Self, Error> {
        let visit = visit::first(ground).await?;
        let page = |path: &str| visit.iter().find(|step| step.path == path).map(|step| step.expected.clone());
        let (private_page, public_page) = (page(PRIVATE_PAGE), page(PUBLIC_PAGE));
        let text = |step: &&Step| step.immutable && (step.path.ends_with(".css") || step.path.ends_with(".js"));
        let size = |step: &&Step| step.expected.body.as_ref().map(Vec::len);
        let asset = visit.iter().filter(text).max_by_key(size).cloned();
        let missing = Error::NoAsset("asset_vault");
        match (private_page, public_page, asset) {
            (Some(private_page), Some(public_page), Some(asset)) => {
                Ok(Self { private_page, public_page, asset, visit })
            }
            _ => Err(missing),
        }
    }

    /// A request for the page that no cache may keep.
    pub(crate) fn page_proxied(&self, peers: &[Peer]) -> Scenario {
        let cells = peers.iter().map(|peer| {
            let expected = vec![self.private_page.clone()];
            Cell::new(peer, vec![Ask::plain(PRIVATE_PAGE)], expected)
        });
        let what = format!("GET {PRIVATE_PAGE}, {}, rendered for each visitor", size(&self.private_page));
        scenario("page_proxied", what, 1, cells.collect())
    }

    /// A request for the page that anybody may keep.
    pub(crate) fn page_from_cache(&self, peers: &[Peer]) -> Scenario {
        let caching = peers.iter().filter(|peer| peer.kind.caches());
        let cells = caching.map(|peer| {
            Cell::new(peer, vec![Ask::plain(PUBLIC_PAGE)], vec![self.public_page.clone()]).answered_by_cache()
        });
        let what = format!("GET {PUBLIC_PAGE}, {}, kept by caches for its `max-age`", size(&self.public_page));
        scenario("page_from_cache", what, 1, cells.collect())
    }

    /// A request for an asset as the page sends it.
    pub(crate) fn asset(&self, peers: &[Peer]) -> Scenario {
        let what = format!("GET {}, {}, not compressed", self.asset.path, size(&self.asset.expected));
        let cells = peers.iter().map(|peer| self.asset_cell(peer, Ask::plain(&self.asset.path)));
        scenario("asset_vault", what, 1, cells.collect())
    }

    /// The same, compressed as well as the peer keeps it.
    pub(crate) async fn asset_compressed(&self, ground: &Ground, peers: &[Peer]) -> Result<Scenario, Error> {
        let ask = Ask::plain(&self.asset.path).with("accept-encoding", "gzip, br");
        let (mut cells, mut sizes) = (Vec::new(), Vec::new());
        for peer in peers {
            let answer = answer(ground, peer, &ask).await?;
            let coding = Some(answer.header("content-encoding")).filter(|coding| !coding.is_empty());
            sizes.push(format!("{} {} {} B", peer.kind.name(), coding.unwrap_or("identity"), answer.sent));
            cells.push(self.asset_cell(peer, ask.clone()));
        }
        let what = format!("the same with `accept-encoding: gzip, br`: {}", sizes.join(", "));
        Ok(scenario("asset_vault_br", what, 1, cells))
    }

    /// The same for a browser that has it, and asks by the tag that this peer gave.
    pub(crate) async fn asset_not_modified(&self, ground: &Ground, peers: &[Peer]) -> Result<Scenario, Error> {
        let mut cells = Vec::new();
        for peer in peers {
            let given = answer(ground, peer, &Ask::plain(&self.asset.path)).await?;
            let ask = Ask::plain(&self.asset.path).with("if-none-match", given.header("etag"));
            let expected = Expected { status: 304, body: None };
            cells.push(Cell::new(peer, vec![ask], vec![expected]).answered_by_cache());
        }
        Ok(scenario("asset_304", "the same with `if-none-match`, answered 304".to_owned(), 1, cells))
    }

    fn asset_cell(&self, peer: &Peer, ask: Ask) -> Cell {
        Cell::new(peer, vec![ask], vec![self.asset.expected.clone()]).answered_by_cache()
    }

    /// A first visit, on a connection of its own.
    pub(crate) fn visit_cold(&self, peers: &[Peer]) -> Scenario {
        let cells = peers.iter().map(|peer| {
            let (asks, expected) = visit::cold(&self.visit, peer.address);
            Cell::new(peer, asks, expected)
        });
        let count = self.visit.len();
        let what = format!("a visit to three pages with an empty browser cache, {count} requests on one connection");
        scenario("visit_cold", what, count, cells.collect())
    }

    /// The same visit later.
    pub(crate) async fn visit_warm(&self, ground: &Ground, peers: &[Peer]) -> Result<Scenario, Error> {
        let mut cells = Vec::new();
        for peer in peers {
            let (asks, _) = visit::cold(&self.visit, peer.address);
            let mut tags = Vec::new();
            for (ask, _) in asks.iter().zip(&self.visit).filter(|(_, step)| !step.immutable) {
                let given = answer(ground, peer, ask).await?;
                let tag = Some(given.header("etag").to_owned()).filter(|tag| !tag.is_empty());
                tags.push((ask.path.clone(), tag));
            }
            let tag = |ask: &Ask| tags.iter().find(|(path, _)| *path == ask.path).and_then(|(_, tag)| tag.clone());
            let (asks, expected) = visit::warm(&self.visit, peer.address, tag);
            cells.push(Cell::new(peer, asks, expected));
        }
        let count = cells.first().map_or(0, |cell| cell.asks.len());
        let what = format!("the same visit with the browser's cache filled, {count} requests on one connection");
        Ok(scenario("visit_warm", what, count, cells))
    }
}

/// A stable asset URL asked for by each page in turn, of peers that keep nothing.
pub(crate) async fn asset_by_referer(ground: &Ground, peers: &[Peer]) -> Result<Scenario, Error> {
    let mut answers = Vec::new();
    for page in &ground.pages {
        let path = page.page.routes.first().cloned().unwrap_or_default();
        let answer = ground.answer(page, &Ask::plain(STABLE_ASSET)).await?;
        answers.push((path, answer.expected()));
    }
    let cells = peers.iter().map(|peer| {
        let ask = |path: &String| Ask::plain(STABLE_ASSET).with("Referer", &format!("http://{}{path}", peer.address));
        let asks = answers.iter().map(|(path, _)| ask(path)).collect();
        Cell::new(peer, asks, answers.iter().map(|(_, expected)| expected.clone()).collect())
    });
    let bytes = answers.first().map(|(_, expected)| size(expected)).unwrap_or_default();
    let what = format!("GET {STABLE_ASSET}, {bytes}, from the page that the Referer names; nothing cached");
    Ok(scenario("asset_by_referer", what, 1, cells.collect()))
}

async fn answer(ground: &Ground, peer: &Peer, ask: &Ask) -> Result<probe::Answer, Error> {
    let answer = probe::ask(&ground.client, peer.address, ask).await;
    let place = peer.kind.name().to_owned();
    answer.map_err(|reason| Error::Answer { place, path: ask.path.clone(), reason })
}

pub(crate) fn scenario(name: &str, what: String, requests_per_unit: usize, cells: Vec<Cell>) -> Scenario {
    Scenario { name: name.to_owned(), what, requests_per_unit, cells }
}

fn size(expected: &Expected) -> String {
    let bytes = expected.body.as_ref().map_or(0, Vec::len);
    format!("{:.1} KB", bytes as f64 / 1000.0)
}

/// Whether a step's URL is an asset's.
pub(crate) fn is_asset(step: &Step) -> bool {
    step.path.starts_with(discovery::ASSETS)
}

/// Starts each of `kinds` in a folder of its own under `name`; those that the machine lacks are left out.
pub(crate) async fn start_all(
    ground: &Ground,
    (kinds, name): (&[Kind], &str),
    job: &crate::job::Job,
) -> Result<Vec<Peer>, Error> {
    let mut peers = Vec::new();
    for kind in kinds.iter().filter(|kind| ground.tools.program(**kind).is_some()) {
        let folder = ground.folder(&format!("{name}-{}", kind.name()));
        peers.push(Peer::start(*kind, job, (&ground.tools, &ground.client), &folder).await?);
    }
    Ok(peers)
}
