//! A postal address: as forms send it, as services keep it, and its two views, the form and the lines on an envelope.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::field::{Field, Kind};

/// An address, or what has been typed of one. What is right is decided by the services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    /// Who lives there.
    pub name: String,
    /// Street and number.
    pub line1: String,
    /// What else the carrier should know; may be empty.
    pub line2: String,
    /// Postal code.
    pub postcode: String,
    /// Town or city.
    pub city: String,
    /// ISO 3166-1 alpha-2 code.
    pub country: String,
}

/// A country to choose.
#[derive(Debug, Clone, Deserialize)]
pub struct Country {
    /// ISO 3166-1 alpha-2 code.
    pub code: String,
    /// The name, in English.
    pub name: String,
}

impl Address {
    /// What a form sent.
    pub fn typed(form: &HashMap<String, String>) -> Self {
        let text = |name: &str| form.get(name).cloned().unwrap_or_default();
        Self {
            name: text("name"),
            line1: text("line1"),
            line2: text("line2"),
            postcode: text("postcode"),
            city: text("city"),
            country: text("country"),
        }
    }

    /// The form. `errors` are by the names of the fields here. Without `countries` a code has to be typed.
    pub fn fields(&self, errors: &BTreeMap<String, String>, countries: &[Country]) -> Vec<Field> {
        let error = |name: &str| errors.get(name).map_or("", String::as_str);
        let text = |name: &'static str, label: &'static str, autocomplete: &'static str, value: &str| {
            Field::new(Kind::Text, name, label, autocomplete).filled(value, error(name))
        };
        let choices = std::iter::once(("", "Choose a country"));
        let named = countries.iter().map(|country| (country.code.as_str(), country.name.as_str()));
        let country = match countries {
            [] => text("country", "Country", "country", &self.country).hint("Its two letters, as in DE."),
            _ => Field::new(Kind::Select, "country", "Country", "country")
                .filled(&self.country, error("country"))
                .options(choices.chain(named)),
        };
        vec![
            text("name", "Full name", "name", &self.name),
            text("line1", "Street and number", "address-line1", &self.line1),
            text("line2", "Flat, floor, care of", "address-line2", &self.line2).optional(),
            text("postcode", "Postcode", "postal-code", &self.postcode).half(),
            text("city", "Town or city", "address-level2", &self.city).half(),
            country,
        ]
    }

    /// The lines on an envelope.
    pub fn lines(&self, countries: &[Country]) -> Vec<String> {
        let country = countries.iter().find(|country| country.code == self.country);
        let country = country.map_or(&self.country, |country| &country.name);
        let town = format!("{} {}", self.postcode, self.city);
        let lines = [&self.name, &self.line1, &self.line2, &town, country];
        lines.into_iter().filter(|line| !line.trim().is_empty()).cloned().collect()
    }
}
