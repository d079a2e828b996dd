-- How far a feed has been read, and by whom. There is one row. Times are milliseconds since 1970.
CREATE TABLE feed (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    cursor       INTEGER NOT NULL DEFAULT 0, -- of the last event that was applied
    last_at      TEXT,                       -- when that event happened, as the service says
    read_at      INTEGER,                    -- when there was nothing more to read
    lease        TEXT,                       -- who reads
    leased_until INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO feed (id) VALUES (1);
