//! What the pages' templates have in common: the shell around every page, and the parts of `html/` that several pages
//! include. Each struct here is the view of one of those templates, named at its top.

mod address;
mod field;
mod order;
mod problem;
mod shell;

pub use address::{Address, Country};
pub use field::{Choice, Field, Kind};
pub use order::{OrderLine, Totals};
pub use problem::Problem;
pub use shell::{Frame, NavigationItem, Shell};

#[cfg(test)]
mod tests;
