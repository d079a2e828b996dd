//! `cargo fleet dev`: one page alone, rebuilt and reloaded on change, behind a small server of our own that lets a request
//! wait for the build. With `--rest`, every path that is not the page's comes from another site.

mod answers;
mod forward;
mod page_routes;
mod rebuild;
mod reload;
mod watcher;

use crate::error::Error;
use crate::folder::Folder;
use crate::layout::{Layout, Page};
use crate::signals::Signals;
use crate::{address, leftovers, preflight, readiness};
use clap::Args;
use page_routes::PageRoutes;
use rebuild::Rebuilder;
use reqwest::Url;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::sync::watch;

const LISTEN: &str = "--listen, PAGEFLEET_LISTEN";
/// What a page is built from, beside its own folder.
const SHARED_SOURCES: [&str; 4] = ["pages/kit", "shared-assets", "templates", "services/kit"];

/// Runs one page alone, rebuilt and reloaded on change.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The page, by its folder's name in `pages/`.
    page: String,
    /// Where the paths of other pages come from, such as `http://127.0.0.1:8080` of a running fleet.
    #[arg(long, env = "PAGEFLEET_REST", value_parser = origin)]
    rest: Option<Url>,
    /// Where the page can be browsed; port 0 takes a free one.
    #[arg(long, env = "PAGEFLEET_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

/// Runs the verb.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Error> {
    let mut signals = Signals::catch()?;
    let layout = Layout::find()?;
    let page = layout.page(&options.page)?.clone();
    let folder = Folder::here()?;
    folder.create_for_dev()?;
    let _lock = folder.lock_dev(&page.name)?;
    let listen = address::try_out(&[(options.listen, LISTEN)])?[0];
    let cannot_listen = |source| Error::CannotListen { address: listen, setting: LISTEN, source };
    let listener = TcpListener::bind(listen).await.map_err(cannot_listen)?;
    let changes = watcher::watch(&sources(&layout, &page))?;
    let page_source = || layout.folder_of(&page).join("page.toml");
    let routes = PageRoutes::of(&page).map_err(|reason| Error::PageSource { file: page_source(), reason })?;
    signals.interrupt(leftovers::clear(&folder)).await?;
    preflight::check(preflight::FOR_A_PAGE, &mut signals).await?;
    let (builds, seen) = watch::channel(rebuild::State::new(routes));
    let client = readiness::client_without_bound()?;
    let site = forward::router(forward::Site::new(page.name.clone(), seen, client, options.rest));
    let own_site = format!("http://{}", address::reachable(listen));
    let rebuilder = Rebuilder { root: layout.root, folder, page, site: own_site };
    tokio::select! {
        ended = rebuilder.run(builds, changes) => ended.map(|()| ExitCode::SUCCESS),
        ended = async { axum::serve(listener, site).await } => ended.map(|()| ExitCode::SUCCESS).map_err(Error::System),
        () = signals.next() => Ok(ExitCode::SUCCESS),
    }
}

/// The folders whose change is a change of the page.
fn sources(layout: &Layout, page: &Page) -> Vec<PathBuf> {
    let shared = SHARED_SOURCES.map(|name| layout.root.join(name));
    std::iter::once(layout.folder_of(page)).chain(shared).collect()
}

fn origin(written: &str) -> Result<Url, String> {
    let url = Url::parse(written).map_err(|error| error.to_string())?;
    if url.scheme() != "http" {
        return Err("only http:// can be reached".to_owned());
    }
    if url.path() != "/" || url.query().is_some() {
        return Err("only scheme, host and port are wanted: paths are passed on as they are".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_site_is_named_by_its_origin() {
        assert!(origin("http://127.0.0.1:8080").is_ok());
        assert!(origin("http://shop.test/").is_ok());
        for refused in ["https://shop.test", "http://shop.test/de", "http://shop.test/?a", "127.0.0.1:8080", ""] {
            assert!(origin(refused).is_err(), "{refused}");
        }
    }
}
