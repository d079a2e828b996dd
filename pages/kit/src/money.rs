//! How an amount is written. Amounts are computed by services; a page only shows them.

use std::fmt::Write;

use service_kit::money::Money;

/// The amount in English notation: `€1,249.00`, `-€4.90`, `CHF 12.00`.
pub fn price(money: Money) -> String {
    let code = money.currency.code();
    let digits = minor_digits(code);
    let scale = 10_u64.pow(digits);
    let (whole, rest) = (money.amount.unsigned_abs() / scale, money.amount.unsigned_abs() % scale);
    let mut price = String::with_capacity(16);
    if money.amount < 0 {
        price.push('-');
    }
    match symbol(code) {
        Some(symbol) => price.push_str(symbol),
        None => price.extend([code, "\u{a0}"]),
    }
    push_grouped(&mut price, whole);
    if digits > 0 {
        write!(price, ".{rest:0width$}", width = digits as usize).expect("writing to a String does not fail");
    }
    price
}

/// Digits of the minor unit (ISO 4217, list one).
fn minor_digits(code: &str) -> u32 {
    match code {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

fn symbol(code: &str) -> Option<&'static str> {
    match code {
        "EUR" => Some("€"),
        "GBP" => Some("£"),
        "JPY" => Some("¥"),
        "USD" => Some("$"),
        _ => None,
    }
}

fn push_grouped(price: &mut String, whole: u64) {
    let digits = whole.to_string();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            price.push(',');
        }
        price.push(digit);
    }
}

#[cfg(test)]
mod tests {
    use service_kit::money::Currency;

    use super::*;

    #[test]
    fn an_amount_is_written_with_the_digits_of_its_currency() {
        for (amount, currency, written) in [
            (18900, "EUR", "€189.00"),
            (5, "EUR", "€0.05"),
            (0, "EUR", "€0.00"),
            (-490, "EUR", "-€4.90"),
            (124_900, "EUR", "€1,249.00"),
            (12_345_678_900, "EUR", "€123,456,789.00"),
            (1500, "JPY", "¥1,500"),
            (1500, "KWD", "KWD\u{a0}1.500"),
            (1200, "CHF", "CHF\u{a0}12.00"),
        ] {
            assert_eq!(price(Money::new(amount, Currency::parse(currency).unwrap())), written);
        }
    }
}
