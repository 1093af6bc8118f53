-- Who each order is assigned to, by the last entry that said so; for good, as in orders.
CREATE TABLE assignments (
    tenant INTEGER NOT NULL,
    order_id TEXT NOT NULL,
    user TEXT NOT NULL,
    id BLOB NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (tenant, order_id)
) STRICT, WITHOUT ROWID;
