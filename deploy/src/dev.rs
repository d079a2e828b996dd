//! `cargo fleet dev`: one page alone, rebuilt and reloaded on change, behind a small server of our own that lets a request
//! wait for the build. With `--rest`, every path that is not the page's comes from another site.

mod answers;
mod forward;
mod rebuild;
mod reload;
mod territory;
mod watcher;

use crate::error::Error;
use crate::layout::Layout;
use crate::signals::Signals;
use crate::{address, preflight, readiness};
use clap::Args;
use rebuild::Workshop;
use reqwest::Url;
use std::net::SocketAddr;
use std::process::ExitCode;
use territory::Territory;
use tokio::net::TcpListener;
use tokio::sync::watch;

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
    let listen = address::try_out(&[(options.listen, "--listen, PAGEFLEET_LISTEN")])?[0];
    let listener = TcpListener::bind(listen).await.map_err(|source| Error::CannotListen {
        address: listen,
        setting: "--listen, PAGEFLEET_LISTEN",
        source,
    })?;
    let own = layout.folder_of(&page);
    let folders: Vec<_> =
        std::iter::once(own.clone()).chain(SHARED_SOURCES.map(|name| layout.root.join(name))).collect();
    let changes = watcher::watch(&folders)?;
    let territory = Territory::of(&page).map_err(|reason| Error::PageSource { file: own.join("page.toml"), reason })?;
    let (builds, seen) = watch::channel(rebuild::State::new(territory));
    let client = readiness::client_without_bound()?;
    let site = forward::routes(forward::Site::new(page.name.clone(), seen, client, options.rest));
    let workshop = Workshop { root: layout.root, page, site: format!("http://{}", address::reachable(listen)) };
    let work = async {
        preflight::check(preflight::FOR_A_PAGE).await?;
        workshop.work(builds, changes).await
    };
    tokio::select! {
        ended = work => ended.map(|()| ExitCode::SUCCESS),
        ended = async { axum::serve(listener, site).await } => ended.map(|()| ExitCode::SUCCESS).map_err(Error::System),
        () = signals.next() => Ok(ExitCode::SUCCESS),
    }
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
