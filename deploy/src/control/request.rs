//! What the supervisor can be asked for.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// One line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Give the visitors of a page another release.
    Rollout {
        page: String,
        /// The program, by its absolute path.
        binary: PathBuf,
        terms: Terms,
    },
    /// Give them the release before; or, if a rollout of the page is under way, take that one back.
    Rollback { page: String, terms: Terms },
    /// Put another proxy in the place of the one that runs.
    UpgradeProxy {
        /// The program, by its absolute path.
        binary: PathBuf,
    },
}

/// How carefully a release is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Terms {
    /// The percentage of visitors that it gets while it is watched; 0 and 100 are all of them, while the old one stands by.
    pub(crate) canary: u8,
    /// How long it is watched, in milliseconds.
    pub(crate) bake_ms: u64,
    /// Whether too few requests to judge it by are a failure.
    pub(crate) strict: bool,
}

impl Request {
    /// Reads and checks a line.
    pub(crate) fn parse(line: &str) -> Result<Self, Error> {
        let request: Self = serde_json::from_str(line).map_err(|error| Error::BadRequest(error.to_string()))?;
        match &request {
            Self::Rollout { terms, .. } | Self::Rollback { terms, .. } if terms.canary > 100 => {
                Err(Error::BadRequest(format!("canary {}: a percentage is wanted, 0 to 100", terms.canary)))
            }
            Self::Rollout { binary, .. } | Self::UpgradeProxy { binary } if !binary.is_absolute() => {
                Err(Error::BadRequest(format!("{}: an absolute path is wanted", binary.display())))
            }
            _ => Ok(request),
        }
    }

    /// As a line, without its end.
    pub(crate) fn line(&self) -> String {
        serde_json::to_string(self).expect("strings, numbers and absolute paths of ours can be written as JSON")
    }

    /// What it is about: a page, or the proxy.
    pub(crate) fn subject(&self) -> &str {
        match self {
            Self::Rollout { page, .. } | Self::Rollback { page, .. } => page,
            Self::UpgradeProxy { .. } => "proxy",
        }
    }
}

impl Terms {
    /// How long the release is watched.
    pub(crate) fn bake(&self) -> Duration {
        Duration::from_millis(self.bake_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_line_that_is_read_back_as_it_was_meant() {
        let terms = Terms { canary: 10, bake_ms: 30_000, strict: false };
        let rollout = Request::Rollout { page: "checkout".to_owned(), binary: "/t/checkout".into(), terms };
        let line = r#"{"verb":"rollout","page":"checkout","binary":"/t/checkout","terms":{"canary":10,"bake_ms":30000,"strict":false}}"#;
        assert_eq!(rollout.line(), line);
        assert_eq!(Request::parse(line).unwrap(), rollout);
        let upgrade = Request::UpgradeProxy { binary: "/t/proxy".into() };
        assert_eq!(Request::parse(&upgrade.line()).unwrap(), upgrade);
    }

    #[test]
    fn a_malformed_request_is_refused_with_what_is_wrong() {
        for (line, says) in [
            ("rollout checkout", "expected value"),
            (r#"{"verb":"restart"}"#, "unknown variant `restart`"),
            (r#"{"verb":"rollback","page":"checkout"}"#, "missing field `terms`"),
            (r#"{"verb":"upgrade-proxy","binary":"/p","now":true}"#, "unknown field `now`"),
            (r#"{"verb":"upgrade-proxy","binary":"proxy"}"#, "proxy: an absolute path is wanted"),
            (
                r#"{"verb":"rollback","page":"checkout","terms":{"canary":101,"bake_ms":0,"strict":false}}"#,
                "canary 101: a percentage is wanted, 0 to 100",
            ),
        ] {
            let error = Request::parse(line).unwrap_err().to_string();
            assert!(error.starts_with("the request is malformed: ") && error.contains(says), "{error}");
        }
    }
}
