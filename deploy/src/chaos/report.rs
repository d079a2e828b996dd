//! The report of a run, in Markdown, and what it comes to.

use super::book::Balance;
use super::schedule::Fault;
use super::tally::{self, COLUMNS, Outcome, Percentiles, Record};
use super::trouble::{Made, by_kind};
use jiff::Timestamp;
use std::fmt::Write;
use std::time::Duration;

/// Failures, and answers that took long, that are listed one by one.
const LISTED: (usize, usize) = (300, 20);

/// A run that is over.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) begun: Timestamp,
    pub(super) seed: u64,
    pub(super) length: Duration,
    pub(super) visitors: u16,
    pub(super) max_outage: Duration,
    pub(super) records: Vec<Record>,
    pub(super) wrong_bytes: Vec<String>,
    /// None when the orders service did not tell.
    pub(super) balance: Option<Balance>,
    /// Orders that were accepted, and neither made nor failed when the wait was over.
    pub(super) open: usize,
    pub(super) faults: Vec<Made>,
}

impl Report {
    /// Why the run has failed; empty when it has not.
    pub(super) fn verdict(&self) -> Vec<String> {
        let mut against = Vec::new();
        match &self.balance {
            None => against.push("the orders service did not tell what was made".to_owned()),
            Some(balance) if !balance.is_even() => against.push(format!("the orders are not even: {}", balance.line())),
            Some(_) => {}
        }
        if self.open > 0 {
            against.push(format!("{} accepted orders were still open at the end", self.open));
        }
        if !self.wrong_bytes.is_empty() {
            against.push(format!("{} assets had wrong bytes", self.wrong_bytes.len()));
        }
        for (page, outage) in tally::outages(&self.records) {
            if outage.length() > self.max_outage {
                let (length, bound) = (outage.length().as_secs_f64(), self.max_outage.as_secs_f64());
                against.push(format!("{page} was out for {length:.1} s, more than {bound:.0} s"));
            }
        }
        against
    }

    /// What stands on the terminal, and first in the file.
    pub(super) fn summary(&self) -> String {
        let mut text = String::new();
        let verdict = self.verdict();
        let outcome = if verdict.is_empty() { "passed".to_owned() } else { format!("failed: {}", verdict.join("; ")) };
        let (length, visitors, seed) = (self.length.as_secs(), self.visitors, self.seed);
        let _ = writeln!(text, "# Chaos: {outcome}\n");
        let _ = writeln!(text, "{}: {length} s, {visitors} visitors, seed {seed}\n", self.begun);
        let orders = self.balance.as_ref().map_or_else(|| "orders unknown".to_owned(), Balance::line);
        let _ = writeln!(text, "{orders}  ");
        if let Some(Balance { unanswered: (all, made), denied, .. }) = &self.balance {
            let denied = denied.len();
            let _ = writeln!(text, "without an answer {all}, of which made {made}; made though denied {denied}  ");
        }
        let _ = writeln!(text, "wrong bytes of assets {}\n", self.wrong_bytes.len());
        self.requests(&mut text);
        self.outages(&mut text);
        self.percentiles(&mut text);
        let kinds: Vec<String> = by_kind(&self.faults).iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let _ = writeln!(text, "faults made: {}", kinds.join(", "));
        text
    }

    /// All of it.
    pub(super) fn whole(&self) -> String {
        let mut text = self.summary();
        self.details(&mut text);
        text
    }

    fn requests(&self, text: &mut String) {
        let _ = writeln!(text, "| page | {} |\n|---|{}", COLUMNS.join(" | "), "---:|".repeat(COLUMNS.len()));
        for (page, row) in tally::outcomes(&self.records) {
            let cells: Vec<String> = row.iter().map(usize::to_string).collect();
            let _ = writeln!(text, "| {page} | {} |", cells.join(" | "));
        }
        let _ = writeln!(text);
    }

    fn outages(&self, text: &mut String) {
        let _ = writeln!(text, "| page | longest outage | from | to |\n|---|---:|---:|---:|");
        for (page, outage) in tally::outages(&self.records) {
            let [length, from, to] = [outage.length(), outage.from, outage.to].map(|time| time.as_secs_f64());
            let _ = writeln!(text, "| {page} | {length:.1} s | {from:.1} s | {to:.1} s |");
        }
        let _ = writeln!(text);
    }

    fn percentiles(&self, text: &mut String) {
        let is_faulty = |record: &Record| self.faults.iter().any(|made| made.meets(record.began, record.ended));
        let times: [(&str, Percentiles); 2] = [
            ("quiet", tally::percentiles(&self.records, |record| !is_faulty(record))),
            ("faulty", tally::percentiles(&self.records, is_faulty)),
        ];
        let _ =
            writeln!(text, "| page answers in | count | p50 | p95 | p99 | longest |\n|---|---:|---:|---:|---:|---:|");
        for (name, Percentiles { count, p50, p95, p99, longest }) in times {
            let [p50, p95, p99, longest] = [p50, p95, p99, longest].map(|time| time.as_secs_f64() * 1000.0);
            let _ = writeln!(
                text,
                "| {name} times | {count} | {p50:.0} ms | {p95:.0} ms | {p99:.0} ms | {longest:.0} ms |"
            );
        }
        let _ = writeln!(text);
    }

    fn details(&self, text: &mut String) {
        let _ = writeln!(text, "\n## Failures by page\n\n| page | outcome | count |\n|---|---|---:|");
        for ((page, outcome), count) in tally::failures(&self.records) {
            let _ = writeln!(text, "| {page} | {outcome} | {count} |");
        }
        self.orders(text);
        let _ = writeln!(text, "\n## Faults\n\n| from | to | fault |\n|---:|---:|---|");
        for Made { fault, from, to, done } in &self.faults {
            let to = to.unwrap_or(*from).as_secs_f64();
            let remark = if *done { "" } else { " (not made: it was down)" };
            let _ = writeln!(text, "| {:.1} s | {to:.1} s | {fault}{remark} |", from.as_secs_f64());
        }
        let failed = |record: &&Record| record.outcome.is_failure() || record.outcome == Outcome::TooMany;
        let failures: Vec<&Record> = self.records.iter().filter(failed).collect();
        let _ = writeln!(text, "\n## Failures, one by one (of {})\n", failures.len());
        self.list(text, failures.into_iter().take(LISTED.0));
        let mut slowest: Vec<&Record> = self.records.iter().filter(|record| !failed(record)).collect();
        slowest.sort_by_key(|record| std::cmp::Reverse(record.ended - record.began));
        let _ = writeln!(text, "\n## Slowest of the others\n");
        self.list(text, slowest.into_iter().take(LISTED.1));
    }

    fn list<'a>(&self, text: &mut String, records: impl Iterator<Item = &'a Record>) {
        let _ = writeln!(text, "| from | took | request | outcome | faults then | request id |");
        let _ = writeln!(text, "|---:|---:|---|---|---|---|");
        for record in records {
            let (from, took) = (record.began.as_secs_f64(), (record.ended - record.began).as_secs_f64());
            let Record { what, outcome, request_id, .. } = record;
            let then = self.faults_at(record);
            let _ = writeln!(text, "| {from:.2} s | {took:.2} s | {what} | {outcome} | {then} | {request_id} |");
        }
    }

    fn orders(&self, text: &mut String) {
        let Some(Balance { twice, lost, denied, refused, .. }) = &self.balance else { return };
        let _ = writeln!(text, "\n## Orders\n");
        let wrong: [(&str, &Vec<String>); 3] = [("made twice", twice), ("lost", lost), ("made though denied", denied)];
        for (what, keys) in wrong {
            for key in keys {
                let _ = writeln!(text, "- {what}: {key}");
            }
        }
        for (reason, count) in refused {
            let _ = writeln!(text, "- refused {count} ×: {reason}");
        }
        for what in &self.wrong_bytes {
            let _ = writeln!(text, "- wrong bytes: {what}");
        }
    }

    /// The faults that were there during a request.
    fn faults_at(&self, record: &Record) -> String {
        let then = self.faults.iter().filter(|made| made.meets(record.began, record.ended));
        let told: Vec<String> = then.map(|Made { fault, .. }| Fault::to_string(fault)).collect();
        if told.is_empty() { "none".to_owned() } else { told.join(", ") }
    }
}

#[cfg(test)]
mod tests;
