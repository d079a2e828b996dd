-- What someone bought, at the prices of that moment. Amounts are minor units of the order's currency.
CREATE TABLE orders (
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT, -- the number of the order, counted from 10,000
    id        TEXT NOT NULL UNIQUE,
    key       TEXT NOT NULL UNIQUE,              -- one order for one idempotency key
    basket    TEXT NOT NULL,
    customer  TEXT,
    email     TEXT NOT NULL,
    placed_at TEXT NOT NULL,
    status    TEXT NOT NULL,
    currency  TEXT NOT NULL,
    subtotal  INTEGER NOT NULL,
    shipping  INTEGER NOT NULL,
    total     INTEGER NOT NULL,
    address   TEXT NOT NULL                      -- JSON
) STRICT;

CREATE INDEX orders_by_customer ON orders (customer);

CREATE TABLE order_lines (
    sequence INTEGER NOT NULL REFERENCES orders (sequence),
    position INTEGER NOT NULL,
    slug     TEXT NOT NULL,
    name     TEXT NOT NULL,
    drawing  TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    price    INTEGER NOT NULL,
    PRIMARY KEY (sequence, position)
) STRICT;

-- Written with the order in one transaction. There is one writer at a time, so cursors become visible in their order.
CREATE TABLE events (
    cursor  INTEGER PRIMARY KEY AUTOINCREMENT,
    type    TEXT NOT NULL,
    at      TEXT NOT NULL,
    payload TEXT NOT NULL -- JSON: the order as it was then
) STRICT;
