-- Messages in the order of arrival, all tenants together, and no index: a commit writes at one place. Those of one tenant
-- that came together, and whose offsets follow each other, share a row (encoding.rs); heads and bodies may be packed, and have checksums
-- (packing.rs). What its tenant has trimmed is gone for every reader; a row of which nothing is left is deleted with its
-- neighbours some time later.
CREATE TABLE runs (
    seq INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    first INTEGER NOT NULL,               -- the first one's offset
    entries INTEGER NOT NULL,             -- how many there are
    at_ms INTEGER NOT NULL,               -- when the last of them came
    tenant_entries INTEGER NOT NULL,      -- how many entries the tenant ever had, up to and with the last of these
    tenant_bytes INTEGER NOT NULL,        -- and their bytes: differences of two rows are sums, so nothing is counted twice
    ids BLOB NOT NULL,                    -- 16 bytes each
    heads BLOB NOT NULL,
    bodies BLOB NOT NULL                  -- the large ones come last: who reads what is before them need not read them
) STRICT;
