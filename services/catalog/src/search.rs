//! Which products a list shows, and in which order.

use serde::Deserialize;
use service_kit::error::Fields;
use sqlx::{FromRow, QueryBuilder, Row, Sqlite, SqlitePool};

use crate::products::{Category, SUMMARY_COLUMNS, Summary};

/// Words of a search after this many are ignored.
const WORDS_MAX: usize = 10;

/// A list is never longer.
const LIMIT_MAX: u32 = 500;

/// The query parameters as they came.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    category: String,
    q: String,
    sort: String,
    in_stock: String,
    featured: String,
    slugs: String,
    limit: String,
}

/// What is wanted. An empty list of words or slugs does not narrow anything.
#[derive(Debug)]
pub(crate) struct Search {
    category: Option<String>,
    words: Vec<String>,
    sort: Sort,
    in_stock: bool,
    featured: bool,
    slugs: Vec<String>,
    limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Relevance,
    Featured,
    Price,
    PriceFalling,
    Name,
}

impl Search {
    /// Reads the parameters, or says what is wrong with them.
    pub(crate) fn parse(typed: &Typed, categories: &[Category]) -> Result<Self, Fields> {
        let mut fields = Fields::default();
        let words = words(&typed.q);
        let category = fields.take("category", category(&typed.category, categories));
        let sort = fields.take("sort", sort(&typed.sort, !words.is_empty()));
        let in_stock = fields.take("in_stock", flag(&typed.in_stock));
        let featured = fields.take("featured", flag(&typed.featured));
        let limit = fields.take("limit", limit(&typed.limit));
        let (Some(category), Some(sort), Some(limit), Some((in_stock, featured))) =
            (category, sort, limit, in_stock.zip(featured))
        else {
            return Err(fields);
        };
        let slugs = typed.slugs.split(',').filter(|slug| !slug.is_empty()).map(str::to_owned).collect();
        Ok(Self { category, words, sort, in_stock, featured, slugs, limit })
    }
}

/// What matches `search`, and how many that would be without the limit.
pub(crate) async fn run(database: &SqlitePool, search: &Search) -> sqlx::Result<(Vec<Summary>, i64)> {
    let rows = statement(search).build().fetch_all(database).await?;
    // Each row carries the total; no row, no match.
    let total = rows.first().map_or(Ok(0), |row| row.try_get("total"))?;
    let products = rows.iter().map(Summary::from_row).collect::<sqlx::Result<_>>()?;
    Ok((products, total))
}

fn statement(search: &Search) -> QueryBuilder<Sqlite> {
    let is_search = !search.words.is_empty();
    let mut sql = QueryBuilder::new("");
    if is_search {
        // Ranked apart, because bm25 cannot be had in a query that also counts. A hit in the name weighs most.
        sql.push(
            "WITH found AS MATERIALIZED (
                 SELECT slug, bm25(product_search, 0, 10, 4, 1, 3) AS distance
                 FROM product_search WHERE product_search MATCH ",
        );
        sql.push_bind(match_expression(&search.words)).push(") ");
    }
    sql.push("SELECT ").push(SUMMARY_COLUMNS).push(", count(*) OVER () AS total ");
    sql.push("FROM products p JOIN categories c ON c.slug = p.category ");
    if is_search {
        sql.push("JOIN found ON found.slug = p.slug ");
    }
    sql.push("WHERE p.listed");
    if let Some(category) = &search.category {
        sql.push(" AND p.category = ").push_bind(category.clone());
    }
    if search.in_stock {
        sql.push(" AND p.stock > 0");
    }
    if search.featured {
        sql.push(" AND p.featured");
    }
    if !search.slugs.is_empty() {
        let mut slugs = sql.push(" AND p.slug IN (").separated(", ");
        search.slugs.iter().for_each(|slug| {
            slugs.push_bind(slug.clone());
        });
        sql.push(")");
    }
    sql.push(" ORDER BY ").push(order(search.sort)).push(", p.position LIMIT ").push_bind(search.limit);
    sql
}

fn order(sort: Sort) -> &'static str {
    match sort {
        Sort::Relevance => "found.distance",
        Sort::Featured => "p.featured DESC",
        Sort::Price => "p.price",
        Sort::PriceFalling => "p.price DESC",
        Sort::Name => "p.name COLLATE NOCASE",
    }
}

/// The words of a search in lower case, without whatever FTS5 would read as syntax.
fn words(q: &str) -> Vec<String> {
    let words = q.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(WORDS_MAX).map(str::to_lowercase).collect()
}

/// Every word has to occur, each as the start of a word (FTS5, "Full-text Query Syntax").
fn match_expression(words: &[String]) -> String {
    let prefix = |word: &String| {
        // Someone who types "stoves" wants the stove too; the shorter prefix finds both.
        let stem = word.strip_suffix('s').filter(|stem| stem.chars().count() > 2).unwrap_or(word);
        format!("\"{stem}\"*")
    };
    words.iter().map(prefix).collect::<Vec<_>>().join(" ")
}

fn category(typed: &str, categories: &[Category]) -> Result<Option<String>, String> {
    if typed.is_empty() {
        return Ok(None);
    }
    let known = categories.iter().find(|category| category.slug == typed);
    known.map(|category| Some(category.slug.clone())).ok_or_else(|| "There is no such category.".to_owned())
}

fn sort(typed: &str, is_search: bool) -> Result<Sort, &'static str> {
    match typed {
        "" if is_search => Ok(Sort::Relevance),
        "" | "featured" => Ok(Sort::Featured),
        "price" => Ok(Sort::Price),
        "-price" => Ok(Sort::PriceFalling),
        "name" => Ok(Sort::Name),
        _ => Err("Sort by featured, price, -price or name."),
    }
}

fn flag(typed: &str) -> Result<bool, &'static str> {
    match typed {
        "" | "false" => Ok(false),
        "true" => Ok(true),
        _ => Err("Say true or false."),
    }
}

fn limit(typed: &str) -> Result<u32, String> {
    if typed.is_empty() {
        return Ok(LIMIT_MAX);
    }
    let limit = typed.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| format!("Say a number from 1 to {LIMIT_MAX}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_words_and_never_syntax() {
        let table = [
            ("rain jacket", r#""rain"* "jacket"*"#),
            ("  Rain-Jacket!  ", r#""rain"* "jacket"*"#),
            (r#"" OR name:* NOT ("#, r#""or"* "name"* "not"*"#),
            ("stoves", r#""stove"*"#),
            ("gas", r#""gas"*"#),
            ("!!!", ""),
        ];
        for (q, expected) in table {
            assert_eq!(match_expression(&words(q)), expected, "{q}");
        }
    }

    #[test]
    fn a_search_has_at_most_ten_words() {
        assert_eq!(words(&"tent ".repeat(1000)).len(), WORDS_MAX);
    }
}
