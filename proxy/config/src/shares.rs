//! The percent of a page's visitors that a release gets. The releases that are not named share the rest.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::fmt;
use std::ops::Range;
use toml::{Spanned, Value};

/// A page with more releases at a time than this has lost its way.
const MAX_SHARES: usize = 100;

/// Percent by release, in the order written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares(Vec<(String, u8)>);

impl Shares {
    /// Checks the shares of one page: every release can be one, and together they are at most 100.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn new(shares: Vec<(String, u8)>) -> Result<Self, String> {
        let mut checked = Self::default();
        for (release, percent) in shares {
            checked.add(release, percent)?;
        }
        Ok(checked)
    }

    /// Release and percent, in the order written.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, u8)> {
        self.0.iter().map(|(release, percent)| (release.as_str(), *percent))
    }

    /// Whether no release has a share of its own.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The percent of a release, if it is named.
    pub fn get(&self, release: &str) -> Option<u8> {
        self.iter().find(|(named, _)| *named == release).map(|(_, percent)| percent)
    }

    fn add(&mut self, release: String, percent: u8) -> Result<(), String> {
        if release.is_empty() || release.len() > 128 || !release.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a release is 1 to 128 printable ASCII characters without a space".to_owned());
        }
        if percent > 100 {
            return Err(format!("{percent} is no percentage from 0 to 100"));
        }
        if self.get(&release).is_some() {
            return Err("the release is named twice".to_owned());
        }
        if self.0.len() == MAX_SHARES {
            return Err(format!("more than {MAX_SHARES} releases"));
        }
        let sum = percent + self.iter().map(|(_, percent)| percent).sum::<u8>();
        if sum > 100 {
            return Err(format!("with it the shares are {sum} %, more than 100"));
        }
        self.0.push((release, percent));
        Ok(())
    }
}

/// The table as it stands in a page file.
#[derive(Debug, Default)]
pub(crate) struct Written(Vec<(Spanned<String>, Spanned<Value>)>);

impl Written {
    /// The shares, or where in the text, in which release, and why not.
    pub(crate) fn check(self) -> Result<Shares, (Range<usize>, String, String)> {
        let mut checked = Shares::default();
        for (release, percent) in self.0 {
            let (span, release) = (release.span(), release.into_inner());
            let added = match percent.get_ref() {
                Value::Integer(whole) => u8::try_from(*whole).map_err(|_| not_whole(&percent)),
                _ => Err(not_whole(&percent)),
            };
            added
                .and_then(|percent| checked.add(release.clone(), percent))
                .map_err(|reason| (span, release, reason))?;
        }
        Ok(checked)
    }
}

fn not_whole(percent: &Spanned<Value>) -> String {
    format!("`{}` is no whole number from 0 to 100", percent.get_ref())
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = Written;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a table of percentages by release")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Written, M::Error> {
                let mut shares = Vec::new();
                while let Some(share) = map.next_entry()? {
                    shares.push(share);
                }
                Ok(Written(shares))
            }
        }
        deserializer.deserialize_map(Table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages_of_releases_and_at_most_100_together() {
        let new = |shares: &[(&str, u8)]| {
            Shares::new(shares.iter().map(|(release, percent)| ((*release).to_owned(), *percent)).collect())
        };
        let shares = new(&[("1.5.0", 10), ("1.4.0+3fa9", 90), ("1.3.0", 0)]).unwrap();
        assert_eq!(shares.iter().collect::<Vec<_>>(), [("1.5.0", 10), ("1.4.0+3fa9", 90), ("1.3.0", 0)]);
        assert_eq!((shares.get("1.3.0"), shares.get("1.2.0")), (Some(0), None));
        assert!(new(&[]).unwrap().is_empty());
        for (shares, says) in [
            (&[("1", 101)][..], "101 is no percentage"),
            (&[("1", 60), ("2", 41)], "101 %, more than 100"),
            (&[("1", 1), ("1", 1)], "named twice"),
            (&[("", 1)], "1 to 128"),
            (&["x".repeat(129).as_str()].map(|release| (release, 1)), "1 to 128"),
            (&[("a b", 1)], "1 to 128"),
            (&[("a\n", 1)], "1 to 128"),
        ] {
            let reason = new(shares).unwrap_err();
            assert!(reason.contains(says), "{reason}");
        }
    }
}
