//! An amount of money: minor units and an ISO 4217 currency, as `{"amount":18900,"currency":"EUR"}`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// No price or total of ours is larger, so sums of them cannot overflow.
const AMOUNT_MAX: i64 = 1_000_000_000_000;

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");

    /// Reads a code.
    ///
    /// # Errors
    /// When it is not three capital letters.
    pub fn parse(code: &str) -> Result<Self, String> {
        match <[u8; 3]>::try_from(code.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            _ => Err(format!("`{code}` is not an ISO 4217 currency code")),
        }
    }

    /// The code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("capital letters are UTF-8")
    }
}

impl TryFrom<String> for Currency {
    type Error = String;

    fn try_from(code: String) -> Result<Self, String> {
        Self::parse(&code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in the minor unit of its currency, tax included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Money {
    /// Minor units: cents for the euro.
    pub amount: i64,
    /// The currency.
    pub currency: Currency,
}

#[derive(Deserialize)]
struct Unchecked {
    amount: i64,
    currency: Currency,
}

impl Money {
    /// So many minor units.
    pub const fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// So many of it.
    #[must_use]
    pub fn times(self, quantity: u32) -> Self {
        Self { amount: self.amount.saturating_mul(i64::from(quantity)), ..self }
    }

    /// Both together; none when the currencies differ.
    pub fn plus(self, other: Self) -> Option<Self> {
        let amount = self.amount.checked_add(other.amount)?;
        (self.currency == other.currency).then_some(Self { amount, ..self })
    }
}

impl TryFrom<Unchecked> for Money {
    type Error = String;

    fn try_from(money: Unchecked) -> Result<Self, String> {
        match (-AMOUNT_MAX..=AMOUNT_MAX).contains(&money.amount) {
            true => Ok(Self::new(money.amount, money.currency)),
            false => Err(format!("{} is no amount of ours", money.amount)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_minor_units_and_a_currency_in_json() {
        let money = Money::new(18900, Currency::EUR);
        let json = r#"{"amount":18900,"currency":"EUR"}"#;
        assert_eq!(serde_json::to_string(&money).unwrap(), json);
        assert_eq!(serde_json::from_str::<Money>(json).unwrap(), money);
    }

    #[test]
    fn what_is_no_currency_or_no_sane_amount_is_refused() {
        for json in [
            r#"{"amount":1,"currency":"euro"}"#,
            r#"{"amount":1,"currency":"eur"}"#,
            r#"{"amount":9000000000000000000,"currency":"EUR"}"#,
            r#"{"amount":-9223372036854775808,"currency":"EUR"}"#,
            r#"{"amount":1.5,"currency":"EUR"}"#,
        ] {
            assert!(serde_json::from_str::<Money>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn two_currencies_do_not_add_up() {
        let euro = Money::new(100, Currency::EUR);
        let krona = Money::new(100, Currency::parse("SEK").unwrap());
        assert_eq!(euro.plus(euro), Some(euro.times(2)));
        assert_eq!(euro.plus(krona), None);
    }
}
