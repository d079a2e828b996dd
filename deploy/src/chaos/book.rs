//! The order book: what visitors were told of each order, by its idempotency key, held against what the orders service
//! made. Who was told "accepted" or "made" has one order; who was told that there is none, with a reason, has none.

use std::collections::BTreeMap;

/// The orders that visitors have sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    orders: BTreeMap<String, Entry>,
}

/// What is known of one key.
#[derive(Debug, Clone, Default)]
struct Entry {
    /// The site said that it has the order.
    accepted: bool,
    /// What the site said last.
    told: Option<Told>,
}

/// What the site said of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// It is on its way.
    Pending,
    /// It is made.
    Made,
    /// It is not made and will not be, for this reason.
    Failed(String),
}

/// The book, held against what was made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Balance {
    /// Orders that were accepted and not taken back with a reason.
    pub(super) accepted: usize,
    /// Those of them that were made.
    pub(super) made: usize,
    /// Keys under which more than one was made.
    pub(super) twice: Vec<String>,
    /// Keys that were accepted, and under which none was made.
    pub(super) lost: Vec<String>,
    /// How many were refused, with which reasons.
    pub(super) refused: BTreeMap<String, usize>,
    /// Keys of which a visitor was told that there is no order, and there is one.
    pub(super) denied: Vec<String>,
    /// How many visitors never learned what became of their order, and how many of these were made.
    pub(super) unanswered: (usize, usize),
}

impl Book {
    /// A visitor presses the button.
    pub(super) fn sent(&mut self, key: &str) {
        self.orders.entry(key.to_owned()).or_default();
    }

    /// The site says that it has the order: it sends the visitor on to the order's own view.
    pub(super) fn accepted(&mut self, key: &str) {
        self.orders.entry(key.to_owned()).or_default().accepted = true;
    }

    /// The order's own view says what became of it.
    pub(super) fn seen(&mut self, key: &str, told: Told) {
        let entry = self.orders.entry(key.to_owned()).or_default();
        entry.accepted = true;
        entry.told = Some(told);
    }

    /// The form comes back with a reason. Who clicked twice may have an order all the same: what was accepted stays so.
    pub(super) fn refused(&mut self, key: &str, reason: &str) {
        let entry = self.orders.entry(key.to_owned()).or_default();
        if !entry.accepted {
            entry.told = Some(Told::Failed(reason.to_owned()));
        }
    }

    /// Every key.
    pub(super) fn keys(&self) -> Vec<String> {
        self.orders.keys().cloned().collect()
    }

    /// How many are accepted.
    pub(super) fn count_accepted(&self) -> usize {
        self.orders.values().filter(|entry| entry.accepted).count()
    }

    /// The keys that were accepted and of which the site has yet to say whether they are made.
    pub(super) fn open(&self) -> Vec<String> {
        let is_open = |entry: &Entry| entry.accepted && matches!(entry.told, None | Some(Told::Pending));
        self.orders.iter().filter(|(_, entry)| is_open(entry)).map(|(key, _)| key.clone()).collect()
    }

    /// Holds the book against how many orders were made under each key.
    pub(super) fn balance(&self, made: &BTreeMap<String, usize>) -> Balance {
        let mut balance = Balance::default();
        for (key, entry) in &self.orders {
            let made = made.get(key).copied().unwrap_or_default();
            if made > 1 {
                balance.twice.push(key.clone());
            }
            match &entry.told {
                Some(Told::Failed(reason)) => {
                    *balance.refused.entry(reason.clone()).or_default() += 1;
                    balance.denied.extend((made > 0).then(|| key.clone()));
                }
                _ if entry.accepted => {
                    balance.accepted += 1;
                    balance.made += usize::from(made > 0);
                    balance.lost.extend((made == 0).then(|| key.clone()));
                }
                _ => {
                    balance.unanswered.0 += 1;
                    balance.unanswered.1 += usize::from(made > 0);
                }
            }
        }
        balance
    }
}

impl Balance {
    /// Whether every visitor was told the truth, and what was accepted was made exactly once.
    pub(super) fn is_even(&self) -> bool {
        self.twice.is_empty() && self.lost.is_empty() && self.denied.is_empty()
    }

    /// In one line.
    pub(super) fn line(&self) -> String {
        let sign = if self.accepted == self.made { '=' } else { '≠' };
        let refused: usize = self.refused.values().sum();
        let (accepted, made, twice, lost) = (self.accepted, self.made, self.twice.len(), self.lost.len());
        let aside = format!("{twice} twice, {lost} lost, {refused} refused with a reason");
        format!("orders accepted {accepted} {sign} made {made} ({aside})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(keys: &[(&str, usize)]) -> BTreeMap<String, usize> {
        keys.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect()
    }

    #[test]
    fn what_was_accepted_and_made_once_is_even() {
        let mut book = Book::default();
        for key in ["a", "b", "c"] {
            book.sent(key);
        }
        book.accepted("a");
        book.seen("a", Told::Pending);
        assert_eq!(book.open(), ["a"]);
        book.seen("a", Told::Made);
        book.refused("b", "Only 2 left.");
        assert!(book.open().is_empty());
        let balance = book.balance(&made(&[("a", 1), ("c", 1)]));
        assert!(balance.is_even());
        assert_eq!(balance.unanswered, (1, 1));
        assert_eq!(balance.line(), "orders accepted 1 = made 1 (0 twice, 0 lost, 1 refused with a reason)");
    }

    #[test]
    fn what_was_accepted_and_not_made_is_lost() {
        let mut book = Book::default();
        book.accepted("a");
        book.seen("b", Told::Made);
        let balance = book.balance(&made(&[]));
        assert!(!balance.is_even());
        assert_eq!(balance.lost, ["a", "b"]);
        assert_eq!(balance.line(), "orders accepted 2 ≠ made 0 (0 twice, 2 lost, 0 refused with a reason)");
    }

    #[test]
    fn what_was_made_twice_is_told_whatever_the_visitor_was() {
        let mut book = Book::default();
        book.sent("a");
        assert_eq!(book.balance(&made(&[("a", 2)])).twice, ["a"]);
    }

    #[test]
    fn an_order_that_there_is_though_the_visitor_was_told_that_there_is_none_is_denied() {
        let mut book = Book::default();
        book.refused("a", "Please have another look.");
        assert_eq!(book.balance(&made(&[("a", 1)])).denied, ["a"]);
    }

    #[test]
    fn a_second_click_that_is_refused_takes_nothing_back_but_the_orders_own_view_does() {
        let mut book = Book::default();
        book.accepted("a");
        book.refused("a", "Your basket is empty.");
        assert_eq!(book.balance(&made(&[("a", 1)])).made, 1);
        book.seen("a", Told::Failed("Sold out.".to_owned()));
        let balance = book.balance(&made(&[]));
        assert!(balance.is_even() && balance.refused.contains_key("Sold out."));
    }

    #[test]
    fn a_refusal_that_is_followed_by_an_acceptance_is_forgotten() {
        let mut book = Book::default();
        book.refused("a", "Please have another look.");
        book.seen("a", Told::Made);
        assert_eq!(book.balance(&made(&[("a", 1)])).made, 1);
    }
}
