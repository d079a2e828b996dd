//! What every peer is told to do: which paths go to which instances, and whether it may cache.

use crate::pages::{Paths, paths};
use std::net::SocketAddr;

/// A site, as its operator would describe it to any of the peers.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) pages: Vec<JobPage>,
    /// The page of the site's root; it answers for assets that no Referer tells the page of.
    pub(crate) fallback: String,
    /// Whether pages that anybody may see, and assets, are cached.
    pub(crate) caching: bool,
    /// What a GET of is answered once the peer does its job.
    pub(crate) ready: Vec<String>,
}

/// One page of the site.
#[derive(Debug, Clone)]
pub(crate) struct JobPage {
    pub(crate) name: String,
    pub(crate) routes: Vec<String>,
    pub(crate) instances: Vec<SocketAddr>,
    /// Whether some of its answers may be cached: its operator knows it, and spares the others a look into the cache.
    pub(crate) is_public: bool,
    /// Whether its instances describe themselves to our proxy.
    pub(crate) has_manifest: bool,
}

impl JobPage {
    /// The paths that its routes mean.
    pub(crate) fn paths(&self) -> Vec<Paths> {
        paths(&self.routes)
    }

    /// The first segment of its paths, each once; the root's is empty.
    pub(crate) fn first_segments(&self) -> Vec<String> {
        let mut found: Vec<String> = self.paths().iter().map(|paths| paths.first_segment().to_owned()).collect();
        found.dedup();
        found
    }
}

impl Job {
    /// Connections to keep to instances: more than there are requests at once, and one for each instance.
    pub(crate) fn connections(&self) -> usize {
        256.max(self.pages.iter().map(|page| page.instances.len()).sum::<usize>() + 64)
    }

    /// The pages that a Referer can name, with the first segments that name them.
    pub(crate) fn by_referer(&self) -> impl Iterator<Item = (&JobPage, String)> {
        let pages = self.pages.iter().filter(|page| page.name != self.fallback);
        pages.flat_map(|page| page.first_segments().into_iter().map(move |segment| (page, segment)))
    }
}

#[cfg(test)]
pub(crate) fn shop(caching: bool) -> Job {
    let page = |name: &str, routes: &[&str], port: u16, is_public: bool| JobPage {
        name: name.to_owned(),
        routes: routes.iter().map(|route| (*route).to_owned()).collect(),
        instances: vec![([127, 0, 0, 1], port).into()],
        is_public,
        has_manifest: true,
    };
    Job {
        pages: vec![
            page("checkout", &["/checkout", "/checkout/{*rest}"], 4101, false),
            page("frontpage", &["/", "/products/{slug}"], 4102, true),
        ],
        fallback: "frontpage".to_owned(),
        caching,
        ready: vec!["/".to_owned()],
    }
}
