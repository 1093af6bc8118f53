-- One row a tenant. An offset up to reserved_through may have been shown; one up to trimmed_through is gone.
CREATE TABLE tenants (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    reserved_through INTEGER NOT NULL,
    trimmed_through INTEGER NOT NULL
) STRICT;

-- One row a message, in the order of arrival, all tenants together, and no index: a commit writes at one place. A row
-- whose offset its tenant has trimmed is gone for every reader, and deleted with its neighbours some time later.
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    id BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    event TEXT NOT NULL,
    flags INTEGER NOT NULL,               -- bits: 1 durable, 2 compacts, 4 creates its order
    priority INTEGER NOT NULL,            -- 0 low, 1 medium, 2 high, 3 urgent
    applications INTEGER NOT NULL,        -- bits: 1 client_app, 2 tenant_dashboard, 4 kitchen_app, 8 delivery_app
    only_applications INTEGER NOT NULL,
    read_permission TEXT,
    rooms TEXT,                           -- a JSON list such as ["order:42"]
    tenant_entries INTEGER NOT NULL,      -- how many entries the tenant ever had, up to and with this one
    tenant_bytes INTEGER NOT NULL,        -- and their bytes: differences of two rows are sums, so nothing is counted twice
    entity TEXT,                          -- the order it is about
    customer TEXT,                        -- of the order it creates
    message BLOB NOT NULL,                -- the large ones come last: who reads what is before them need not read them
    attachments BLOB                      -- each: its length (4 bytes, little-endian), its bytes
) STRICT;

-- Where a tenant's entries are: filled some thousands at a time and sorted, so that it costs a page for many of them.
-- The id is in it so that a tenant's newest ids are read from neighbouring places.
CREATE TABLE places (
    tenant INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (tenant, offset)
) STRICT, WITHOUT ROWID;

-- One row. Entries up to placed_through have their places; those behind it are looked through.
CREATE TABLE progress (placed_through INTEGER NOT NULL) STRICT;
INSERT INTO progress VALUES (0);

-- How many entries of each stretch of 4096 seqs are trimmed and not deleted yet.
CREATE TABLE leftovers (stretch INTEGER PRIMARY KEY, entries INTEGER NOT NULL) STRICT;

-- Whose orders are whose, as long as the entry that created the order is there.
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
