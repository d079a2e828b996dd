//! Which release of a page a visitor gets while the page has `[shares]`: decided by a random bucket in a cookie and the
//! page's name alone, so that several proxies agree without talking.

use http::HeaderMap;
use http::header::COOKIE;
use pagefleet_config::Shares;

/// The cookie's name. It says nothing of the visitor but a number from 0 to 9999, drawn once.
pub const COOKIE_NAME: &str = "pagefleet-bucket";

const BUCKETS: u16 = 10_000;

/// A visitor's bucket, from 0 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket(u16);

impl Bucket {
    /// A new visitor's.
    pub fn draw() -> Self {
        Self(rand::random_range(0..BUCKETS))
    }

    /// The bucket in a request's cookies (RFC 6265 section 5.4); the first that is one.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(COOKIE).iter();
        let mut pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        pairs.find_map(|pair| Self::parse(pair.trim_ascii().strip_prefix(COOKIE_NAME.as_bytes())?.strip_prefix(b"=")?))
    }

    fn parse(written: &[u8]) -> Option<Self> {
        let digits = (1..=4).contains(&written.len()) && written.iter().all(u8::is_ascii_digit);
        digits.then(|| Self(written.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))))
    }

    /// The `Set-Cookie` that keeps it for a year.
    pub fn set_cookie(self, secure: bool) -> String {
        let secure = if secure { "; Secure" } else { "" };
        format!("{COOKIE_NAME}={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax{secure}", self.0)
    }

    /// Where the visitor stands among the visitors of a page, from 0 to 9999; for each page in another order, so that no
    /// one is the first to try everything. FNV-1a of the page's name and the bucket, then MurmurHash3's finaliser: a fixed
    /// function, since proxies of several versions must agree.
    fn position(self, page: &str) -> u16 {
        let bytes = page.bytes().chain(self.0.to_le_bytes());
        let hash =
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        u16::try_from((mixed ^ (mixed >> 33)) % u64::from(BUCKETS)).unwrap_or_default()
    }
}

/// The release that a visitor gets of those that are there: releases without a share of their own stand first and divide
/// what the others leave, then come the others in the order written. So raising the one share moves visitors only from
/// old to new, and lowering it only back. `None` when the release is not there: then any other will do.
pub fn release_of<'a>(shares: &Shares, page: &str, bucket: Bucket, there: &[&'a str]) -> Option<&'a str> {
    let position = u32::from(bucket.position(page));
    let given: u32 = shares.iter().map(|(_, percent)| u32::from(percent) * 100).sum();
    let left = u32::from(BUCKETS).saturating_sub(given);
    if position < left {
        let mut rest: Vec<_> = there.iter().copied().filter(|release| shares.get(release).is_none()).collect();
        rest.sort_unstable();
        let count = u32::try_from(rest.len()).ok().filter(|count| *count > 0)?;
        return rest.get(usize::try_from(position * count / left).ok()?).copied();
    }
    let mut end = left;
    let (wanted, _) = shares.iter().find(|(_, percent)| {
        end += u32::from(*percent) * 100;
        position < end
    })?;
    there.iter().copied().find(|release| *release == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(written: &[(&str, u8)]) -> Shares {
        Shares::new(written.iter().map(|(release, percent)| ((*release).to_owned(), *percent)).collect()).unwrap()
    }

    fn everybody(shares: &Shares, there: &[&'static str]) -> Vec<Option<&'static str>> {
        (0..BUCKETS).map(|bucket| release_of(shares, "checkout", Bucket(bucket), there)).collect()
    }

    fn percent(of: &str, got: &[Option<&str>]) -> usize {
        (got.iter().filter(|release| **release == Some(of)).count() + 50) / 100
    }

    #[test]
    fn each_release_gets_its_share_of_the_visitors() {
        let got = everybody(&shares(&[("2", 10)]), &["1", "2"]);
        assert!((9..=11).contains(&percent("2", &got)) && (89..=91).contains(&percent("1", &got)));
        let got = everybody(&shares(&[("2", 20), ("3", 30)]), &["1a", "1b", "2", "3"]);
        for (release, wanted) in [("1a", 25), ("1b", 25), ("2", 20), ("3", 30)] {
            assert!(percent(release, &got).abs_diff(wanted) <= 1, "{release}");
        }
        assert_eq!(percent("2", &everybody(&shares(&[("2", 0)]), &["1", "2"])), 0);
        assert_eq!(percent("2", &everybody(&shares(&[("2", 100)]), &["1", "2"])), 100);
    }

    #[test]
    fn raising_a_share_moves_visitors_only_to_the_new_release_and_lowering_it_only_back() {
        let steps: Vec<_> =
            [0, 1, 10, 50, 99, 100].map(|percent| everybody(&shares(&[("2", percent)]), &["1", "2"])).into();
        for (lower, higher) in steps.iter().zip(&steps[1..]) {
            assert!(lower.iter().zip(higher).all(|(before, after)| before == after || *after == Some("2")));
        }
    }

    #[test]
    fn a_release_that_is_not_there_is_nobodys() {
        let got = everybody(&shares(&[("2", 10)]), &["1"]);
        assert!(got.contains(&None) && !got.contains(&Some("2")));
        assert!(everybody(&shares(&[("2", 10)]), &["2"]).contains(&None));
    }

    #[test]
    fn positions_are_those_of_every_other_version() {
        let positions: Vec<_> = [(0, "checkout"), (1, "checkout"), (9999, "checkout"), (0, "frontpage")]
            .map(|(bucket, page)| Bucket(bucket).position(page))
            .into();
        assert_eq!(positions, [7881, 4024, 2003, 7552]);
    }

    #[test]
    fn only_a_number_from_0_to_9999_is_a_bucket() {
        for (cookies, expected) in [
            ("pagefleet-bucket=42", Some(Bucket(42))),
            ("a=b; pagefleet-bucket=0042;c", Some(Bucket(42))),
            ("pagefleet-bucket=x; pagefleet-bucket=7", Some(Bucket(7))),
            ("pagefleet-bucket=10000", None),
            ("pagefleet-bucket=-1", None),
            ("pagefleet-bucket=", None),
            ("xpagefleet-bucket=1", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(COOKIE, cookies.parse().unwrap())]);
            assert_eq!(Bucket::of(&headers), expected, "{cookies}");
        }
        assert!(Bucket(7).set_cookie(true).ends_with("; Secure"));
    }
}
