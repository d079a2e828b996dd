//! What a route pattern may look like: a `matchit` pattern on an absolute path, outside what the proxy keeps for itself.

/// Path prefixes that no page may route: the proxy answers them itself, or hides them.
pub const RESERVED_PREFIXES: [&str; 4] = ["/assets/", "/health/", "/.well-known/", "/.pagefleet/"];

/// A validated path pattern, such as `/products/{slug}` or `/checkout/{*rest}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route(String);

/// Why a pattern is no route.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RouteError {
    /// It does not begin with a slash.
    #[error("route `{0}` does not start with `/`")]
    NotAbsolute(String),
    /// It lies under a prefix that the proxy keeps.
    #[error("route `{0}` is under `{1}`, which is reserved for the proxy")]
    Reserved(String, &'static str),
    /// It holds a query, a fragment, a space, an empty or a dot segment.
    #[error("route `{0}` can never match a request path")]
    NeverMatches(String),
    /// matchit refuses the pattern.
    #[error("route `{0}` is malformed: {1}")]
    Malformed(String, String),
}

impl Route {
    /// Checks one pattern by itself; conflicts between patterns are found when the route table is built.
    ///
    /// # Errors
    /// Every variant of [`RouteError`] names the pattern.
    pub fn parse(pattern: &str) -> Result<Self, RouteError> {
        if !pattern.starts_with('/') {
            return Err(RouteError::NotAbsolute(pattern.to_owned()));
        }
        if let Some(prefix) = RESERVED_PREFIXES.into_iter().find(|prefix| format!("{pattern}/").starts_with(prefix)) {
            return Err(RouteError::Reserved(pattern.to_owned(), prefix));
        }
        let dead_segment = pattern.split('/').skip(1).any(|segment| matches!(segment, "." | ".."));
        if dead_segment || pattern.contains("//") || pattern.contains(['?', '#', ' ', '\\', '%']) {
            return Err(RouteError::NeverMatches(pattern.to_owned()));
        }
        matchit::Router::new()
            .insert(pattern, ())
            .map_err(|error| RouteError::Malformed(pattern.to_owned(), error.to_string()))?;
        Ok(Self(pattern.to_owned()))
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_an_absolute_pattern_outside_the_reserved_prefixes() {
        for pattern in
            ["/", "/checkout", "/checkout/{*rest}", "/products/{slug}", "/{*rest}", "/robots.txt", "/assetsale"]
        {
            assert_eq!(Route::parse(pattern).map(|route| route.0), Ok(pattern.to_owned()));
        }
        for pattern in ["checkout", "", "/assets/{*rest}", "/assets", "/health/live", "/.well-known/x", "/.pagefleet/x"]
        {
            assert!(Route::parse(pattern).is_err(), "{pattern}");
        }
        for pattern in ["/a//b", "/a/../b", "/a?b", "/a b", "/{", "/{*rest}/more", "/%61"] {
            assert!(Route::parse(pattern).is_err(), "{pattern}");
        }
    }
}
