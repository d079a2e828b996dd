-- The key that the basket's next order has, however often its form is shown or sent. An order renews it.
ALTER TABLE baskets ADD COLUMN order_key TEXT;
UPDATE baskets SET order_key = lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' ||
    substr(hex(randomblob(2)), 2) || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)));
