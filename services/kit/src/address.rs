//! A postal address in one of the countries that the shop delivers to.

use serde::{Deserialize, Serialize};

use crate::error::Fields;

/// Lines of an address are not longer than this, in characters.
const LINE_MAX: usize = 100;

/// A country by its ISO 3166-1 alpha-2 code and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Country {
    /// Two capital letters.
    pub code: &'static str,
    /// The name, in English.
    pub name: &'static str,
}

/// The countries that the shop delivers to, by name.
pub const COUNTRIES: &[Country] = &[
    Country { code: "AT", name: "Austria" },
    Country { code: "BE", name: "Belgium" },
    Country { code: "CZ", name: "Czechia" },
    Country { code: "DK", name: "Denmark" },
    Country { code: "FI", name: "Finland" },
    Country { code: "FR", name: "France" },
    Country { code: "DE", name: "Germany" },
    Country { code: "IE", name: "Ireland" },
    Country { code: "IT", name: "Italy" },
    Country { code: "LU", name: "Luxembourg" },
    Country { code: "NL", name: "Netherlands" },
    Country { code: "NO", name: "Norway" },
    Country { code: "PL", name: "Poland" },
    Country { code: "PT", name: "Portugal" },
    Country { code: "SI", name: "Slovenia" },
    Country { code: "ES", name: "Spain" },
    Country { code: "SE", name: "Sweden" },
    Country { code: "CH", name: "Switzerland" },
];

/// An address as someone typed it; [`Typed::parse`] makes an [`Address`] of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Typed {
    /// Who gets the parcel.
    pub name: String,
    /// Street and number.
    pub line1: String,
    /// What else the carrier should know.
    pub line2: Option<String>,
    /// Postal code.
    pub postcode: String,
    /// Town or city.
    pub city: String,
    /// ISO 3166-1 alpha-2 code of the country.
    pub country: String,
}

/// An address that a parcel could be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    name: String,
    line1: String,
    line2: String,
    postcode: String,
    city: String,
    country: String,
}

impl Typed {
    /// The address.
    ///
    /// # Errors
    /// What is wrong with each field.
    pub fn parse(&self) -> Result<Address, Fields> {
        let mut fields = Fields::default();
        let name = fields.take("name", line(&self.name, "Enter the name of who gets the parcel."));
        let line1 = fields.take("line1", line(&self.line1, "Enter a street and number."));
        let line2 = fields.take("line2", short(self.line2.as_deref().unwrap_or_default()));
        let postcode = fields.take("postcode", postcode(&self.postcode));
        let city = fields.take("city", line(&self.city, "Enter a town or city."));
        let country = fields.take("country", country(&self.country));
        let parts = (name.zip(line1), line2.zip(postcode), city.zip(country));
        let (Some((name, line1)), Some((line2, postcode)), Some((city, country))) = parts else {
            return Err(fields);
        };
        Ok(Address { name, line1, line2, postcode, city, country })
    }
}

fn line(typed: &str, missing: &str) -> Result<String, String> {
    match short(typed)? {
        line if line.is_empty() => Err(missing.to_owned()),
        line => Ok(line),
    }
}

fn short(typed: &str) -> Result<String, String> {
    let typed = typed.trim();
    if typed.chars().count() > LINE_MAX {
        return Err(format!("Keep this under {LINE_MAX} characters."));
    }
    match typed.chars().any(char::is_control) {
        true => Err("Keep this to one line of text.".to_owned()),
        false => Ok(typed.to_owned()),
    }
}

fn postcode(typed: &str) -> Result<String, String> {
    let typed = typed.trim();
    let plain = |char: char| char.is_ascii_alphanumeric() || char == ' ' || char == '-';
    if typed.is_empty() {
        return Err("Enter a postcode.".to_owned());
    }
    match (3..=10).contains(&typed.len()) && typed.chars().all(plain) {
        true => Ok(typed.to_uppercase()),
        false => Err("Enter a postcode of 3 to 10 letters and digits.".to_owned()),
    }
}

fn country(typed: &str) -> Result<String, String> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Err("Choose a country.".to_owned());
    }
    let known = COUNTRIES.iter().find(|country| country.code.eq_ignore_ascii_case(typed));
    known.map(|country| country.code.to_owned()).ok_or_else(|| "We do not deliver to this country yet.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed() -> Typed {
        Typed {
            name: " Ada Lovelace ".to_owned(),
            line1: "Seestrasse 12".to_owned(),
            line2: None,
            postcode: "8002".to_owned(),
            city: "Zürich".to_owned(),
            country: "ch".to_owned(),
        }
    }

    #[test]
    fn an_address_is_kept_without_the_space_around_its_lines() {
        let address = typed().parse().unwrap();
        assert_eq!(
            (address.name.as_str(), address.country.as_str(), address.line2.as_str()),
            ("Ada Lovelace", "CH", "")
        );
    }

    #[test]
    fn every_field_that_is_wrong_is_told_at_once() {
        let fields = Typed::default().parse().unwrap_err();
        for field in ["name", "line1", "postcode", "city", "country"] {
            assert!(fields.get(field).is_some(), "{field}");
        }
        assert_eq!(fields.get("line2"), None);
    }

    #[test]
    fn countries_we_do_not_deliver_to_and_strange_postcodes_are_refused() {
        let fields = Typed { country: "US".to_owned(), postcode: "<b>".to_owned(), ..typed() }.parse().unwrap_err();
        assert_eq!(fields.get("country"), Some("We do not deliver to this country yet."));
        assert!(fields.get("postcode").is_some());
    }

    #[test]
    fn countries_are_listed_by_name() {
        assert!(COUNTRIES.is_sorted_by_key(|country| country.name));
    }
}
