-- What customers have ordered, as the feed of orders tells it.
CREATE TABLE orders (
    id       TEXT    PRIMARY KEY,
    customer TEXT    NOT NULL,
    cursor   INTEGER NOT NULL, -- of the event that told last of it
    body     TEXT    NOT NULL  -- JSON: all that was told
) STRICT;

CREATE INDEX orders_by_customer ON orders (customer, cursor);
