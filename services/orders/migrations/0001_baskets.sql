-- What someone is about to buy. Prices are not here: a basket costs what the catalog says when it is looked at.
CREATE TABLE baskets (
    id         TEXT PRIMARY KEY,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE basket_lines (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    basket   TEXT NOT NULL REFERENCES baskets (id) ON DELETE CASCADE,
    slug     TEXT NOT NULL,
    name     TEXT NOT NULL, -- as it was when it was added, for a product that is sold no more
    drawing  TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 20),
    UNIQUE (basket, slug)
) STRICT;
