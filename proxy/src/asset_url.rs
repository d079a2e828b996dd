//! Which of an asset's two URLs a path is: the stable one or the fingerprinted one.

/// Every asset of every page lives under this prefix.
pub const PREFIX: &str = "/assets/";

/// One of the two URLs that every asset has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetUrl {
    /// `/assets/site.css`: the same on every page and every release, whatever its bytes.
    Stable,
    /// `/assets/site-5d1f0c3a9b7e2468.css`: names its bytes.
    Fingerprinted,
}

/// Which kind of asset URL a normalised path is; `None` when it is no asset's.
pub fn parse(path: &str) -> Option<AssetUrl> {
    path.strip_prefix(PREFIX)?;
    Some(if fingerprint(path).is_some() { AssetUrl::Fingerprinted } else { AssetUrl::Stable })
}

impl AssetUrl {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Stable, Self::Fingerprinted];

    /// How long a good answer may be kept: a fingerprinted one for ever, a stable one only to be asked for again.
    pub const fn cache_control(self) -> &'static str {
        match self {
            Self::Fingerprinted => "public, max-age=31536000, immutable",
            Self::Stable => "private, no-cache",
        }
    }
}

/// The fingerprint in an asset's path, when it has one.
pub fn fingerprint(path: &str) -> Option<&str> {
    path.strip_prefix(PREFIX).and_then(fingerprint_of)
}

/// The 16 lower-case hexadecimal digits between the last dash and the extension of a file name.
fn fingerprint_of(name: &str) -> Option<&str> {
    let file = &name[memchr::memrchr(b'/', name.as_bytes()).map_or(0, |slash| slash + 1)..];
    let dot = memchr::memrchr(b'.', file.as_bytes())?;
    let dash = memchr::memrchr(b'-', &file.as_bytes()[..dot])?;
    let (fingerprint, extension) = (&file[dash + 1..dot], &file[dot + 1..]);
    let hexadecimal = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    let whole = dash > 0 && !extension.is_empty() && fingerprint.len() == 16;
    (whole && fingerprint.bytes().all(hexadecimal)).then_some(fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_sixteen_hex_digits_before_the_extension() {
        for path in ["/assets/site-5d1f0c3a9b7e2468.css", "/assets/img/a-b-0000000000000000.svg"] {
            assert_eq!(parse(path), Some(AssetUrl::Fingerprinted), "{path}");
        }
        for path in [
            "/assets/site.css",
            "/assets/",
            "/assets/site-5d1f0c3a9b7e246.css",
            "/assets/site-5D1F0C3A9B7E2468.css",
            "/assets/-5d1f0c3a9b7e2468.css",
            "/assets/site-5d1f0c3a9b7e2468",
            "/assets/site-5d1f0c3a9b7e2468.",
            "/assets/site-5d1f0c3a9b7e2468.css/x",
        ] {
            assert_eq!(parse(path), Some(AssetUrl::Stable), "{path}");
        }
        for path in ["/assets", "/", "/assetsx/site.css", "/x/assets/site.css"] {
            assert_eq!(parse(path), None, "{path}");
        }
    }
}
