-- A reservation that nobody confirms is given back after a while; `at` is when it was last asked for.
-- Those from before this stood for good, so they still do.
ALTER TABLE reservations ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
UPDATE reservations SET confirmed = 1;
CREATE INDEX reservations_unconfirmed ON reservations (at) WHERE NOT confirmed;
