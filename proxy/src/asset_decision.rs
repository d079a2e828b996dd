//! Whose asset a bundle request is: the decision table, as one pure function.
//!
//! | # | if | then | reason |
//! |---|---|---|---|
//! | 1 | fingerprint known, and the Referer's page has a live release with it | that page | `referer` |
//! | 2 | any other page's live release has it | that page | `fingerprint` |
//! | 3 | the vault still holds it | the vault | `vault` |
//! | 5 | nobody has it | look again, or ask the Referer's page if it has no manifest | as 1-3 |
//! | 6 | still nobody | 404 | `unknown` |
//! | 7 | stable URL, usable Referer | that page | `referer` |
//! | 8 | stable URL, no usable Referer | the configured fallback page | `fallback` |

use crate::asset_url::AssetUrl;
use crate::fleet::PageId;

/// Why a request went where it went; a word in `x-route-reason`, the log and the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The path matched a page's route.
    Route,
    /// No page has the path.
    NoRoute,
    /// The Referer's page.
    Referer,
    /// Another page that has the fingerprint.
    Fingerprint,
    /// No live release has it, but the vault does.
    Vault,
    /// The configured fallback page.
    Fallback,
    /// Nobody has the asset.
    Unknown,
}

impl Reason {
    /// All, in their order.
    pub const ALL: [Self; 7] =
        [Self::Route, Self::NoRoute, Self::Referer, Self::Fingerprint, Self::Vault, Self::Fallback, Self::Unknown];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::NoRoute => "no-route",
            Self::Referer => "referer",
            Self::Fingerprint => "fingerprint",
            Self::Vault => "vault",
            Self::Fallback => "fallback",
            Self::Unknown => "unknown",
        }
    }
}

/// The page that a usable Referer names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefererPage {
    /// Which page.
    pub page: PageId,
    /// Whether its instances say what assets they have.
    pub has_manifest: bool,
}

/// Where an asset request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetDecision {
    /// To this page, for this reason.
    Page(PageId, Reason),
    /// To nobody: the vault answers (row 3).
    Vault,
    /// Nobody is known to have it: look at the manifests again, then decide once more (row 5).
    LookAgain,
    /// Nobody has it (row 6).
    Unknown,
}

/// What is known of one asset request.
#[derive(Debug, Clone, Copy)]
pub struct AssetRequest<'a> {
    /// Which of the two URLs.
    pub url: AssetUrl,
    /// The page in the Referer, when it is usable.
    pub referer: Option<RefererPage>,
    /// Pages with a live release whose manifest has the path.
    pub holders: &'a [PageId],
    /// Whether the vault holds the path.
    pub held: bool,
    /// The configured fallback page, when its page file is good.
    pub fallback: Option<PageId>,
    /// Whether the manifests were looked at again for this request.
    pub looked_again: bool,
}

/// The decision. A known fingerprint never goes to a page that does not have it.
pub fn decide(request: AssetRequest<'_>) -> AssetDecision {
    let AssetRequest { url, referer, holders, held, fallback, looked_again } = request;
    let stable = match (referer, fallback) {
        (Some(referer), _) => AssetDecision::Page(referer.page, Reason::Referer),
        (None, Some(fallback)) => AssetDecision::Page(fallback, Reason::Fallback),
        (None, None) => AssetDecision::Unknown,
    };
    match url {
        AssetUrl::Stable => stable,
        AssetUrl::Fingerprinted => {
            if let Some(referer) = referer.filter(|referer| holders.contains(&referer.page)) {
                return AssetDecision::Page(referer.page, Reason::Referer);
            }
            match (holders.first(), referer) {
                (Some(holder), _) => AssetDecision::Page(*holder, Reason::Fingerprint),
                (None, _) if held => AssetDecision::Vault,
                (None, Some(referer)) if !referer.has_manifest => AssetDecision::Page(referer.page, Reason::Referer),
                (None, _) if looked_again => AssetDecision::Unknown,
                (None, _) => AssetDecision::LookAgain,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decision_table_holds_row_by_row() {
        use AssetDecision::{LookAgain, Page, Unknown};
        use AssetUrl::{Fingerprinted, Stable};
        let (front, checkout, old) = (PageId(0), PageId(1), PageId(2));
        let with = |page| Some(RefererPage { page, has_manifest: true });
        let without = |page| Some(RefererPage { page, has_manifest: false });
        let fallback = Some(front);
        type Case<'a> = (u8, AssetUrl, Option<RefererPage>, &'a [PageId], Option<PageId>, bool, AssetDecision);
        let cases: [Case<'_>; 14] = [
            (1, Fingerprinted, with(checkout), &[front, checkout], fallback, false, Page(checkout, Reason::Referer)),
            (2, Fingerprinted, with(checkout), &[front], fallback, false, Page(front, Reason::Fingerprint)),
            (2, Fingerprinted, None, &[checkout], fallback, false, Page(checkout, Reason::Fingerprint)),
            (2, Fingerprinted, without(old), &[checkout], fallback, false, Page(checkout, Reason::Fingerprint)),
            (5, Fingerprinted, with(checkout), &[], fallback, false, LookAgain),
            (5, Fingerprinted, None, &[], fallback, false, LookAgain),
            (5, Fingerprinted, without(old), &[], fallback, false, Page(old, Reason::Referer)),
            (6, Fingerprinted, with(checkout), &[], fallback, true, Unknown),
            (6, Fingerprinted, None, &[], None, true, Unknown),
            (7, Stable, with(checkout), &[], fallback, false, Page(checkout, Reason::Referer)),
            (7, Stable, without(old), &[front], fallback, false, Page(old, Reason::Referer)),
            (8, Stable, None, &[checkout], fallback, false, Page(front, Reason::Fallback)),
            (8, Stable, None, &[], fallback, true, Page(front, Reason::Fallback)),
            (8, Stable, None, &[checkout], None, false, Unknown),
        ];
        for (row, url, referer, holders, fallback, looked_again, expected) in cases {
            let decision = decide(AssetRequest { url, referer, holders, held: false, fallback, looked_again });
            assert_eq!(decision, expected, "row {row}: {url:?} {referer:?} {holders:?}");
        }
    }

    #[test]
    fn the_vault_answers_when_no_live_release_can() {
        let page = PageId(0);
        let referer = Some(RefererPage { page, has_manifest: false });
        let base = AssetRequest {
            url: AssetUrl::Fingerprinted,
            referer,
            holders: &[],
            held: true,
            fallback: None,
            looked_again: false,
        };
        assert_eq!(decide(base), AssetDecision::Vault);
        assert_eq!(decide(AssetRequest { holders: &[page], ..base }), AssetDecision::Page(page, Reason::Referer));
        let stable = AssetRequest { url: AssetUrl::Stable, ..base };
        assert_eq!(decide(stable), AssetDecision::Page(page, Reason::Referer));
    }
}
