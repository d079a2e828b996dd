-- Keys that will never make an order, and why: a repeat that was on its way for long gets the same answer.
CREATE TABLE refusals (
    key        TEXT PRIMARY KEY,
    basket     TEXT NOT NULL,
    refused_at TEXT NOT NULL,
    code       TEXT NOT NULL,
    message    TEXT NOT NULL, -- as the catalog has it, or empty
    details    TEXT NOT NULL  -- JSON
) STRICT;

CREATE INDEX refusals_by_time ON refusals (refused_at);
