//! What a routing decision costs with 3, 300 and 3,000 pages in the table: `cargo bench --package pagefleet-proxy`.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use pagefleet_config::{PageFile, Route, Shares};
use pagefleet_proxy::asset_decision::{self, AssetRequest};
use pagefleet_proxy::asset_url::AssetUrl;
use pagefleet_proxy::fleet::{Fleet, Leaving, PageId, Wanted};
use pagefleet_proxy::instance::Instance;
use pagefleet_proxy::manifest::Manifest;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

const SIZES: [usize; 3] = [3, 300, 3_000];

/// Assets of each page's own; one more is every page's.
const ASSETS_OF_ITS_OWN: usize = 6;

fn fleet(pages: usize) -> Fleet {
    let fleet = Fleet::default();
    let wanted: Vec<_> = (0..pages).map(wanted).collect();
    let joined = fleet.change(&wanted, "page-0", Leaving::AtOnce).joined;
    joined.iter().for_each(admit);
    fleet.index_assets();
    fleet
}

fn wanted(page: usize) -> Wanted {
    let routes = [format!("/page-{page}"), format!("/page-{page}/{{*rest}}")];
    let file = PageFile {
        page: format!("page-{page}"),
        routes: routes.iter().map(|route| Route::parse(route).expect("a route")).collect(),
        instances: Vec::new(),
        shares: Shares::default(),
        manifest: true,
        health: "/health/ready".to_owned(),
    };
    let address = Ipv4Addr::from_bits(0x7f00_0001 + u32::try_from(page).expect("a few thousand pages"));
    Wanted { file: Arc::new(file), addresses: vec![SocketAddr::from((address, 1))] }
}

fn admit(instance: &Arc<Instance>) {
    let page = instance.page.0;
    let shared = asset(0, "site.css");
    let own = (0..ASSETS_OF_ITS_OWN).map(|index| asset(1 + page * ASSETS_OF_ITS_OWN + index, &format!("{index}.js")));
    let assets: Vec<_> = std::iter::once(shared).chain(own).collect();
    let written = serde_json::json!({ "page": format!("page-{page}"), "release": "1", "assets": assets });
    let manifest = Manifest::parse(written.to_string().as_bytes(), &format!("page-{page}")).expect("a manifest");
    instance.manifest.store(Some(Arc::new(manifest)));
    instance.on(pagefleet_proxy::instance::Event::Passed);
}

fn asset(content: usize, name: &str) -> serde_json::Value {
    let sha256 = format!("{content:016x}{content:048x}");
    serde_json::json!({ "name": name, "path": path_of(content, name), "sha256": sha256, "size": 20_000 })
}

fn path_of(content: usize, name: &str) -> String {
    let (stem, extension) = name.split_once('.').expect("a file name");
    format!("/assets/{stem}-{content:016x}.{extension}")
}

/// The path's page.
fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    for pages in SIZES {
        let fleet = fleet(pages);
        let path = format!("/page-{}/orders/7", pages / 2);
        group.bench_function(BenchmarkId::new("page_of", pages), |bencher| {
            bencher.iter(|| fleet.view().routes.page_of(black_box(&path)));
        });
        assert_eq!(fleet.view().routes.page_of(&path), Some(PageId(pages / 2)));
    }
}

/// The Referer's page.
fn referer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("referer");
    let hosts = ["shop.example".to_owned()];
    for pages in SIZES {
        let fleet = fleet(pages);
        let referer = format!("https://shop.example/page-{}/orders/7?from=mail", pages / 2);
        let page_of = |referer: &str| fleet.view().page_of_referer(Some(referer.as_bytes()), &hosts);
        group.bench_function(BenchmarkId::new("page_of_referer", pages), |bencher| {
            bencher.iter(|| page_of(black_box(&referer)));
        });
        assert_eq!(page_of(&referer).map(|found| found.page), Some(PageId(pages / 2)));
    }
}

/// Whose asset it is, once the Referer's page is known.
fn asset_decision(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("asset");
    for pages in SIZES {
        let fleet = fleet(pages);
        let page = pages / 2;
        let path = path_of(1 + page * ASSETS_OF_ITS_OWN, "0.js");
        let view = fleet.view();
        let referer = view.page_of_referer(Some(format!("http://a/page-{page}").as_bytes()), &["a".to_owned()]);
        let decide = |path: &str| {
            fleet.with_holders(path, |holders| {
                let url = AssetUrl::Fingerprinted;
                let (held, fallback, looked_again) = (false, view.fallback, false);
                asset_decision::decide(AssetRequest { url, referer, holders, held, fallback, looked_again })
            })
        };
        group.bench_function(BenchmarkId::new("decide", pages), |bencher| bencher.iter(|| decide(black_box(&path))));
        let expected = asset_decision::AssetDecision::Page(PageId(page), asset_decision::Reason::Referer);
        assert_eq!(decide(&path), expected);
    }
}

criterion_group!(decisions, route, referer, asset_decision);
criterion_main!(decisions);
