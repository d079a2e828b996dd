-- What is sold. The seed file owns everything here but the stock, which reservations change.
CREATE TABLE categories (
    slug     TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    tagline  TEXT NOT NULL,
    drawing  TEXT NOT NULL,
    position INTEGER NOT NULL
) STRICT;

CREATE TABLE products (
    slug        TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    category    TEXT NOT NULL REFERENCES categories (slug),
    price       INTEGER NOT NULL CHECK (price >= 0),
    currency    TEXT NOT NULL,
    stock       INTEGER NOT NULL CHECK (stock >= 0),
    summary     TEXT NOT NULL,
    description TEXT NOT NULL, -- JSON: ["paragraph", …]
    specs       TEXT NOT NULL, -- JSON: [["label", "value"], …]
    drawing     TEXT NOT NULL,
    badge       TEXT,
    featured    INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    listed      INTEGER NOT NULL -- 0: no longer in the seed file; orders may still name it
) STRICT;

CREATE INDEX products_by_category ON products (category);

CREATE VIRTUAL TABLE product_search USING fts5 (
    slug UNINDEXED, name, summary, description, category,
    tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);
