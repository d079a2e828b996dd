//! The names of fields: those that browsers send are at hand; any other is made.

use http::{HeaderName, header};

const DNT: HeaderName = HeaderName::from_static("dnt");
const PRIORITY: HeaderName = HeaderName::from_static("priority");
const SEC_CH_UA: HeaderName = HeaderName::from_static("sec-ch-ua");
const SEC_CH_UA_MOBILE: HeaderName = HeaderName::from_static("sec-ch-ua-mobile");
const SEC_CH_UA_PLATFORM: HeaderName = HeaderName::from_static("sec-ch-ua-platform");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_USER: HeaderName = HeaderName::from_static("sec-fetch-user");
const SEC_GPC: HeaderName = HeaderName::from_static("sec-gpc");

/// The name that these bytes are, if they are one.
pub(crate) fn of(bytes: &[u8]) -> Option<HeaderName> {
    at_hand(bytes).or_else(|| HeaderName::from_bytes(bytes).ok())
}

/// As browsers write them in HTTP/1.1: to read a name letter by letter, and to keep it, costs several times as much.
fn at_hand(bytes: &[u8]) -> Option<HeaderName> {
    Some(match bytes {
        b"Accept" => header::ACCEPT,
        b"Accept-Encoding" => header::ACCEPT_ENCODING,
        b"Accept-Language" => header::ACCEPT_LANGUAGE,
        b"Cache-Control" => header::CACHE_CONTROL,
        b"Connection" => header::CONNECTION,
        b"Cookie" => header::COOKIE,
        b"DNT" => DNT,
        b"Host" => header::HOST,
        b"If-Modified-Since" => header::IF_MODIFIED_SINCE,
        b"If-None-Match" => header::IF_NONE_MATCH,
        b"If-Range" => header::IF_RANGE,
        b"Origin" => header::ORIGIN,
        b"Pragma" => header::PRAGMA,
        b"Priority" => PRIORITY,
        b"Range" => header::RANGE,
        b"Referer" => header::REFERER,
        b"Sec-Fetch-Dest" => SEC_FETCH_DEST,
        b"Sec-Fetch-Mode" => SEC_FETCH_MODE,
        b"Sec-Fetch-Site" => SEC_FETCH_SITE,
        b"Sec-Fetch-User" => SEC_FETCH_USER,
        b"Sec-GPC" => SEC_GPC,
        b"Upgrade-Insecure-Requests" => header::UPGRADE_INSECURE_REQUESTS,
        b"User-Agent" => header::USER_AGENT,
        b"sec-ch-ua" => SEC_CH_UA,
        b"sec-ch-ua-mobile" => SEC_CH_UA_MOBILE,
        b"sec-ch-ua-platform" => SEC_CH_UA_PLATFORM,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_at_hand_is_the_one_that_would_be_made() {
        for name in [
            "Accept",
            "Accept-Encoding",
            "Accept-Language",
            "Cache-Control",
            "Connection",
            "Cookie",
            "DNT",
            "Host",
            "If-Modified-Since",
            "If-None-Match",
            "If-Range",
            "Origin",
            "Pragma",
            "Priority",
            "Range",
            "Referer",
            "Sec-Fetch-Dest",
            "Sec-Fetch-Mode",
            "Sec-Fetch-Site",
            "Sec-Fetch-User",
            "Sec-GPC",
            "sec-ch-ua",
            "Upgrade-Insecure-Requests",
            "User-Agent",
            "sec-ch-ua-mobile",
            "sec-ch-ua-platform",
        ] {
            assert_eq!(at_hand(name.as_bytes()), HeaderName::from_bytes(name.as_bytes()).ok(), "{name}");
        }
        assert_eq!(of(b"uSER-aGENT"), Some(header::USER_AGENT));
        assert_eq!(of(b"X-Own").unwrap(), "x-own");
        assert_eq!(of(b"no name"), None);
    }
}
