//! What a route pattern may look like: a `matchit` pattern on an absolute path, outside what the proxy keeps for itself.
//!
//! A parameter takes a whole segment. matchit also knows `/img-{id}.png`, but then takes or refuses other routes
//! depending on the order in which they come, so one page's pattern could put out another's.

/// Path prefixes that no page may route: the proxy answers them itself, or hides them.
pub const RESERVED_PREFIXES: [&str; 4] = ["/assets/", "/health/", "/.well-known/", "/.pagefleet/"];

/// matchit names parameters by one letter each, and panics at the 26th.
const MAX_PARAMETERS: usize = 25;

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
    /// It holds a query, a fragment, a space, an empty or a dot segment, or what only ever comes percent-encoded.
    #[error("route `{0}` can never match a request path")]
    NeverMatches(String),
    /// matchit refuses the pattern.
    #[error("route `{0}` is malformed: {1}")]
    Malformed(String, String),
}

impl Route {
    /// Checks one pattern by itself; what other pages have is [`crate::PageSet`]'s matter.
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
        let dead_character = |byte: u8| !byte.is_ascii_graphic() || b"?#\\%".contains(&byte);
        if dead_segment || pattern.contains("//") || pattern.bytes().any(dead_character) {
            return Err(RouteError::NeverMatches(pattern.to_owned()));
        }
        if pattern.matches('{').count() > MAX_PARAMETERS {
            let reason = format!("more than {MAX_PARAMETERS} parameters");
            return Err(RouteError::Malformed(pattern.to_owned(), reason));
        }
        let whole = |segment: &str| {
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            name.is_some_and(|name| !name.contains(['{', '}']))
        };
        if pattern.split('/').any(|segment| segment.contains(['{', '}']) && !whole(segment)) {
            let reason = "a parameter takes a whole segment, as in `/products/{slug}`";
            return Err(RouteError::Malformed(pattern.to_owned(), reason.to_owned()));
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
        for pattern in ["/a//b", "/a/../b", "/a?b", "/a b", "/{", "/{*rest}/more", "/%61", "/caf\u{e9}", "/a\tb", "/\0"]
        {
            assert!(Route::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_parameter_takes_a_whole_segment() {
        for pattern in ["/x-{id}", "/{id}.json", "/{a}{b}", "/{{a}}", "/{{a}", "/{a}}", "/a}", "/{}", "/{*}", "/{a{b}"]
        {
            assert!(matches!(Route::parse(pattern), Err(RouteError::Malformed(..))), "{pattern}");
        }
    }

    #[test]
    fn a_route_with_more_parameters_than_matchit_can_name_is_malformed() {
        assert!(Route::parse(&"/{x}".repeat(25)).is_ok());
        assert!(matches!(Route::parse(&"/{x}".repeat(26)), Err(RouteError::Malformed(..))));
    }
}
