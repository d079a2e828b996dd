//! Who answers a request: the page of its path, or for an asset what the decision table says. Asks the pure deciders,
//! looks at manifests again when nobody is known to have a fingerprint, and takes the bytes out of the vault.

use crate::answer::Answer;
use crate::asset_answer::Held;
use crate::asset_decision::{self, AssetDecision, AssetRequest, Reason};
use crate::asset_url::{self, AssetUrl};
use crate::fleet::PageId;
use crate::gateway::Gateway;
use crate::request::Request;
use crate::shares::{self, Bucket};
use crate::{client_request, path};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use std::sync::Arc;

/// Who answers.
pub(crate) enum Dispatch {
    /// An instance of the request's page.
    Page,
    /// The vault's bytes.
    Held(Arc<Held>, AssetUrl),
    /// We.
    Ours(Answer),
}

impl Gateway {
    /// Finds who answers a request, and notes page and reason in it.
    pub(crate) async fn dispatch(&self, head: &Parts, request: &mut Request) -> Dispatch {
        let target = head.uri.path();
        if head.method == Method::OPTIONS && target == "*" {
            return Dispatch::Ours(Answer::empty(StatusCode::NO_CONTENT));
        }
        request.path = match path::normalise(target) {
            Ok(path) => path.into_owned(),
            Err(path::PathError::EmptySegment | path::PathError::DotSegment) => return no_route(request),
            Err(error) => {
                tracing::debug!(%error, "path refused");
                return Dispatch::Ours(Answer::error(StatusCode::BAD_REQUEST, "bad-path"));
            }
        };
        request.asset = asset_url::parse(&request.path);
        let Some(url) = request.asset else {
            request.reason = Some(Reason::Route);
            if let Some(refusal) = self.refuse_excess(&head.headers, request) {
                return refusal;
            }
            let Some(page) = self.fleet.view().routes.page_of(&request.path) else { return no_route(request) };
            self.meet_visitor(&head.headers, page, request);
            return Dispatch::Page;
        };
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return Dispatch::Ours(Answer::error(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"));
        }
        let referer = head.headers.get(header::REFERER).map(|value| value.as_bytes());
        match self.decide(url, referer, request).await {
            AssetDecision::Page(page, reason) => {
                request.reason = Some(reason);
                self.meet_visitor(&head.headers, page, request);
                self.asset_of(page, url, request).await
            }
            AssetDecision::Vault => {
                request.reason = Some(Reason::Vault);
                self.held_or_unknown(url, request).await
            }
            AssetDecision::LookAgain | AssetDecision::Unknown => unknown(request),
        }
    }

    /// Refuses what a client asks above its limit (RFC 6585 section 4).
    pub(crate) fn refuse_excess(&self, headers: &HeaderMap, request: &mut Request) -> Option<Dispatch> {
        let settings = self.live.load();
        let client = client_request::client_address(headers, request.peer?, &settings.file.trusted_proxies);
        let wait = self.clients.take(client, &settings.file.client_limit).err()?;
        request.retry_after = Some(wait.as_secs() + 1);
        Some(Dispatch::Ours(Answer::error(StatusCode::TOO_MANY_REQUESTS, "too-many-requests")))
    }

    /// Notes the page that answers, and which of its releases the visitor gets.
    fn meet_visitor(&self, headers: &HeaderMap, page: PageId, request: &mut Request) {
        request.page = Some(page);
        let view = self.fleet.view();
        if !view.has_shares {
            return;
        }
        let known = Bucket::of(headers);
        let bucket = known.unwrap_or_else(Bucket::draw);
        (request.bucket, request.is_new_visitor) = (Some(bucket), known.is_none());
        let page = view.page(page);
        let Some(shares) = page.shares() else { return };
        let releases = page.releases();
        let there: Vec<&str> = releases.iter().map(|release| &**release).collect();
        request.wanted = shares::release_of(shares, &page.name, bucket, &there).map(Into::into);
    }

    async fn decide(&self, url: AssetUrl, referer: Option<&[u8]>, request: &Request) -> AssetDecision {
        let referer = self.fleet.view().page_of_referer(referer, &self.live.load().file.public_hosts);
        let decide = |looked_again| {
            let fallback = self.fleet.view().fallback;
            self.fleet.with_holders(&request.path, |holders| {
                // It matters only when no page has it.
                let held = holders.is_empty() && self.vault().is_some_and(|vault| vault.has(&request.path));
                asset_decision::decide(AssetRequest { url, referer, holders, held, fallback, looked_again })
            })
        };
        match decide(false) {
            AssetDecision::LookAgain if self.checker.is_missed(&request.path) => AssetDecision::Unknown,
            AssetDecision::LookAgain => {
                Box::pin(self.checker.look_again(referer.map(|referer| referer.page))).await;
                let found = decide(true);
                if found == AssetDecision::Unknown {
                    self.checker.remember_miss(&request.path);
                }
                found
            }
            decision => decision,
        }
    }

    /// The bytes of a page's asset: out of the vault whenever it holds them. A fingerprinted URL whose page promises it in
    /// a manifest is answered by the vault or not at all: what isn't there was refused.
    async fn asset_of(&self, page: PageId, url: AssetUrl, request: &mut Request) -> Dispatch {
        let Some(vault) = self.vault() else { return Dispatch::Page };
        let known = match url {
            AssetUrl::Stable => self.fleet.page(page).fingerprinted(&request.path, request.wanted.as_deref()),
            AssetUrl::Fingerprinted => {
                let release = self.fleet.page(page).release_with(&request.path).unwrap_or_default();
                Some((request.path.clone(), release))
            }
        };
        if let Some((path, release)) = known {
            let mut held = vault.held(&path).await;
            if held.is_none() {
                Box::pin(self.admission.fill(page, &path)).await;
                held = vault.held(&path).await;
            }
            if let Some(held) = held {
                request.release = Some(release).filter(|release| !release.is_empty());
                return Dispatch::Held(held, url);
            }
        }
        match url {
            AssetUrl::Fingerprinted if self.has_manifest(page) => unknown(request),
            AssetUrl::Fingerprinted => {
                // Its fingerprint is not that of its bytes: a name of the page's own making, which promises us nothing.
                request.asset = Some(AssetUrl::Stable);
                Dispatch::Page
            }
            AssetUrl::Stable => Dispatch::Page,
        }
    }

    async fn held_or_unknown(&self, url: AssetUrl, request: &mut Request) -> Dispatch {
        let Some(vault) = self.vault() else { return unknown(request) };
        match vault.held(&request.path).await {
            Some(held) => Dispatch::Held(held, url),
            None => unknown(request),
        }
    }

    fn has_manifest(&self, page: PageId) -> bool {
        self.fleet.view().page(page).has_manifest()
    }
}

fn no_route(request: &mut Request) -> Dispatch {
    request.reason = Some(Reason::NoRoute);
    Dispatch::Ours(Answer::error(StatusCode::NOT_FOUND, "no-route"))
}

fn unknown(request: &mut Request) -> Dispatch {
    (request.page, request.reason) = (None, Some(Reason::Unknown));
    Dispatch::Ours(Answer::error(StatusCode::NOT_FOUND, "unknown-asset"))
}
