CREATE TABLE accounts (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL,        -- as it was typed
    email_key     TEXT NOT NULL UNIQUE, -- in lower case: nobody has two accounts by a capital letter
    name          TEXT NOT NULL,
    password_hash TEXT NOT NULL,        -- argon2id, as a PHC string
    address       TEXT,                 -- JSON
    created_at    TEXT NOT NULL
) STRICT;

CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY, -- SHA-256: who reads this table cannot sign in by it
    account    TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL  -- seconds since 1970
) STRICT;

CREATE INDEX sessions_by_expiry ON sessions (expires_at);
