//! Which page gets a request: the path's, or for an asset the one that the decision table names. Asks the pure deciders
//! and looks at manifests again when nobody is known to have a fingerprint.

use crate::answer::Answer;
use crate::asset_decision::{self, AssetDecision, AssetRequest, Reason, RefererPage};
use crate::asset_url::{self, AssetUrl};
use crate::gateway::Gateway;
use crate::request::Request;
use crate::{path, referer};
use http::{Method, StatusCode, header};
use pingora_proxy::Session;

impl Gateway {
    /// Finds the page of a request, or answers it.
    pub(crate) async fn route(&self, session: &mut Session, request: &mut Request) -> Result<(), Answer> {
        let target = session.req_header().uri.path();
        if session.req_header().method == Method::OPTIONS && target == "*" {
            return Err(Answer::empty(StatusCode::NO_CONTENT));
        }
        request.path = match path::normalise(target) {
            Ok(path) => path.into_owned(),
            Err(path::PathError::EmptySegment | path::PathError::DotSegment) => return Err(self.no_route(request)),
            Err(error) => {
                tracing::debug!(%error, "path refused");
                return Err(Answer::error(StatusCode::BAD_REQUEST, "bad-path"));
            }
        };
        request.asset = asset_url::parse(&request.path);
        let Some(url) = request.asset else {
            request.page = self.fleet.routes.page_of(&request.path);
            request.reason = Some(Reason::Route);
            return if request.page.is_some() { Ok(()) } else { Err(self.no_route(request)) };
        };
        if !matches!(session.req_header().method, Method::GET | Method::HEAD) {
            return Err(Answer::error(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"));
        }
        let referer = session.req_header().headers.get(header::REFERER).map(|value| value.as_bytes().to_owned());
        self.route_asset(url, referer.as_deref(), request).await
    }

    async fn route_asset(&self, url: AssetUrl, referer: Option<&[u8]>, request: &mut Request) -> Result<(), Answer> {
        let path = referer::path_of(referer, &self.config.public_hosts).ok();
        let page = path.and_then(|path| self.fleet.routes.page_of(&path));
        let referer = page.map(|page| RefererPage { page, has_manifest: self.fleet.page(page).file.manifest });
        let decide = |looked_again| {
            let holders = self.fleet.holders(&request.path);
            let fallback = self.fleet.fallback;
            asset_decision::decide(AssetRequest { url, referer, holders: &holders, fallback, looked_again })
        };
        let mut decision = decide(false);
        if decision == AssetDecision::LookAgain {
            self.checker.look_again(referer.map(|referer| referer.page)).await;
            decision = decide(true);
        }
        match decision {
            AssetDecision::Page(page, reason) => {
                (request.page, request.reason) = (Some(page), Some(reason));
                Ok(())
            }
            AssetDecision::LookAgain | AssetDecision::Unknown => {
                request.reason = Some(Reason::Unknown);
                Err(Answer::error(StatusCode::NOT_FOUND, "unknown-asset"))
            }
        }
    }

    fn no_route(&self, request: &mut Request) -> Answer {
        request.reason = Some(Reason::NoRoute);
        Answer::error(StatusCode::NOT_FOUND, "no-route")
    }
}
