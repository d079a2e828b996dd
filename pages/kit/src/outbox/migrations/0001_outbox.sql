-- One row for each command, by its idempotency key; for SQLite and Postgres alike. Times are milliseconds since 1970.
CREATE TABLE outbox (
    key         TEXT   NOT NULL PRIMARY KEY,
    kind        TEXT   NOT NULL,
    version     BIGINT NOT NULL, -- of the payload
    payload     TEXT   NOT NULL, -- JSON
    state       TEXT   NOT NULL, -- pending, done, failed, parked
    accepted_at BIGINT NOT NULL,
    due_at      BIGINT NOT NULL, -- when to try; while somebody has it in hand, when their lease ends
    lease       TEXT,            -- who has it in hand
    attempts    BIGINT NOT NULL,
    ended_at    BIGINT,          -- when it was done or failed
    outcome     TEXT             -- JSON: the service's answer, or why it failed
);

CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'pending';
CREATE INDEX outbox_parked ON outbox (key) WHERE state = 'parked';
CREATE INDEX outbox_ended ON outbox (ended_at) WHERE ended_at IS NOT NULL;
