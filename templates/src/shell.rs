//! The shell around every page: head, navigation, notices and footer (`html/layout.html`).

use std::borrow::Cow;

use shared_assets::{AssetUrls, Urls};

include!(concat!(env!("OUT_DIR"), "/navigation.rs"));

/// One page's entry in the navigation, out of its `page.toml`.
struct Entry {
    page: &'static str,
    label: &'static str,
    path: &'static str,
    shows: &'static str,
}

/// What the shell is the same for on every view of one page.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    page: &'static str,
    assets: AssetUrls,
}

impl Frame {
    /// The frame of the page `page`, linking its assets by URLs of the kind `assets`.
    pub fn new(page: &'static str, assets: AssetUrls) -> Self {
        Self { page, assets }
    }

    /// The shell of a view with the title `title`, as somebody sees it who is not signed in and has an empty basket.
    pub fn shell(&self, title: &str) -> Shell {
        let item = |entry: &Entry| NavigationItem {
            label: entry.label,
            path: entry.path,
            current: if entry.page == self.page { "true" } else { "" },
            shows: entry.shows,
        };
        Shell {
            title: format!("{title} – Tarnwell"),
            description: "Tents, packs and warm things for people who stop at every view.".into(),
            assets: Urls::new(self.assets),
            fingerprinted: Urls::fingerprinted(),
            navigation: NAVIGATION.iter().map(item).collect(),
            visitor_source: "",
            visitor_name: String::new(),
            basket_count: 0,
            notice: String::new(),
            message: String::new(),
        }
    }
}

/// The view of `layout.html`.
#[derive(Debug, Clone)]
pub struct Shell {
    /// Text of the window's title.
    pub title: String,
    /// One sentence for search engines.
    pub description: Cow<'static, str>,
    /// The shared bundle by the URLs in use.
    pub assets: Urls,
    /// The shared bundle by fingerprinted URLs: what its CSS asks for, whatever the page links.
    pub fingerprinted: Urls,
    /// Every page that wants to be found.
    pub navigation: Vec<NavigationItem>,
    /// URL that knows the visitor, for pages that render the same for everybody; or empty.
    pub visitor_source: &'static str,
    /// Name of the visitor, empty when signed out.
    pub visitor_name: String,
    /// Pieces in the visitor's basket.
    pub basket_count: u32,
    /// What can't be shown right now, or empty.
    pub notice: String,
    /// What has just been done, or empty.
    pub message: String,
}

impl Shell {
    /// The shell of the view at `path`: its entry in the navigation is where the visitor is.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        for item in self.navigation.iter_mut().filter(|item| item.path == path) {
            item.current = "page";
        }
        self
    }

    /// The shell of a form that came back with errors: the title is what is read out first.
    #[must_use]
    pub fn with_errors(self) -> Self {
        Self { title: format!("Error: {}", self.title), ..self }
    }
}

/// One entry of the navigation.
#[derive(Debug, Clone, Copy)]
pub struct NavigationItem {
    /// Text of the link.
    pub label: &'static str,
    /// Where it goes.
    pub path: &'static str,
    /// Whether it is where the visitor is, as `aria-current` says it: `"page"` for the very view that is showing,
    /// `"true"` for another view of its page, or empty.
    pub current: &'static str,
    /// `"basket"` for a count beside it, `"visitor"` for the visitor's name in place of the label, or empty.
    pub shows: &'static str,
}
