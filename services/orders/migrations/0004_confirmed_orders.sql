-- 0: the catalog has yet to learn that the order's reservation is for good. It knows of all that are older than this.
ALTER TABLE orders ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
UPDATE orders SET confirmed = 1;
CREATE INDEX orders_unconfirmed ON orders (sequence) WHERE NOT confirmed;
