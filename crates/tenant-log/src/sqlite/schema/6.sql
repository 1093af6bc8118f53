-- One row a tenant. An offset up to reserved_through may have been shown; one up to trimmed_through is gone.
CREATE TABLE tenants (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    reserved_through INTEGER NOT NULL,
    trimmed_through INTEGER NOT NULL
) STRICT;

-- Where a tenant's runs are: filled some thousands of entries at a time and sorted, so that it costs a page for many of
-- them. The ids are in it so that a tenant's newest ids are read from neighbouring places.
CREATE TABLE places (
    tenant INTEGER NOT NULL,
    first INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    ids BLOB NOT NULL,
    PRIMARY KEY (tenant, first)
) STRICT, WITHOUT ROWID;

-- One row. Runs up to placed_through have their places; those behind it are looked through.
CREATE TABLE progress (placed_through INTEGER NOT NULL) STRICT;
INSERT INTO progress VALUES (0);

-- How many runs of each stretch of seqs (garbage_collector.rs) are trimmed as a whole and not deleted yet.
CREATE TABLE leftovers (stretch INTEGER PRIMARY KEY, runs INTEGER NOT NULL) STRICT;

-- Whose orders are whose, for good: a customer could claim an order that was forgotten.
CREATE TABLE orders (
    tenant INTEGER NOT NULL,
    order_id TEXT NOT NULL,
    customer TEXT,
    offset INTEGER NOT NULL,
    PRIMARY KEY (tenant, order_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX orders_of_tenant ON orders (tenant, offset);

-- Sessions, rooms' metadata, watches, redeliveries.
CREATE TABLE notes (
    tenant INTEGER NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    expires_at_ms INTEGER,
    PRIMARY KEY (tenant, kind, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX notes_that_expire ON notes (tenant, expires_at_ms) WHERE expires_at_ms IS NOT NULL;

CREATE TABLE subscribers (
    tenant INTEGER NOT NULL,
    key TEXT NOT NULL,
    cursor TEXT NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
    tenant INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    subscriber TEXT NOT NULL,
    id BLOB NOT NULL,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, offset, subscriber)
) STRICT, WITHOUT ROWID;
