//! An email address that mail could be sent to.
//!
//! Only sending proves an address, so this refuses what is surely a slip and lets through what might work.

use serde::{Deserialize, Serialize};

/// RFC 5321, section 4.5.3.1.3, less the angle brackets.
const LENGTH_MAX: usize = 254;

/// An email address, without surrounding space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// Reads what someone typed.
    ///
    /// # Errors
    /// When it is no address; the text is for who typed it.
    pub fn parse(typed: &str) -> Result<Self, &'static str> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Err("Enter an email address.");
        }
        match typed.len() <= LENGTH_MAX && is_address(typed) {
            true => Ok(Self(typed.to_owned())),
            false => Err("Enter an email address like name@example.com."),
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Email {
    type Error = &'static str;

    fn try_from(typed: String) -> Result<Self, &'static str> {
        Self::parse(&typed)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let dotted = domain.contains('.') && domain.split('.').all(|label| !label.is_empty());
    let plain = |char: char| !char.is_whitespace() && !char.is_control() && !"@<>()[],;:\\\"".contains(char);
    !local.is_empty() && dotted && local.chars().all(plain) && domain.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_might_work_are_taken() {
        for typed in ["ada@example.com", "  ada@example.com ", "a.b+c@mail.example.co.uk", "ö@exämple.de"] {
            assert_eq!(Email::parse(typed).map(String::from), Ok(typed.trim().to_owned()));
        }
    }

    #[test]
    fn slips_are_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for typed in [
            "",
            " ",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "ada@example.",
            "ada@.com",
            "a da@example.com",
            "ada@@example.com",
            "ada@example.com,bob@example.com",
            "Ada <ada@example.com>",
            "ada@exa\u{0}mple.com",
            &long,
        ] {
            assert!(Email::parse(typed).is_err(), "{typed:?}");
        }
    }
}
