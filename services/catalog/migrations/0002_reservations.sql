-- Stock that has left the shelf for an order. A line keeps what the product was and cost at that moment.
CREATE TABLE reservations (
    key TEXT PRIMARY KEY,
    at  TEXT NOT NULL
) STRICT;

CREATE TABLE reservation_lines (
    reservation TEXT NOT NULL REFERENCES reservations (key) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    slug        TEXT NOT NULL REFERENCES products (slug),
    name        TEXT NOT NULL,
    drawing     TEXT NOT NULL,
    quantity    INTEGER NOT NULL CHECK (quantity > 0),
    price       INTEGER NOT NULL,
    currency    TEXT NOT NULL,
    PRIMARY KEY (reservation, slug)
) STRICT;
