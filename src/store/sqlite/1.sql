-- Conversations, and all that stands under them. Times are nanoseconds since 1970.

CREATE TABLE conversations (
    row INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    agent TEXT NOT NULL,
    user_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    wake_at INTEGER,
    life INTEGER NOT NULL DEFAULT 0, -- 0 open, 1 finished, 2 erased
    audit_seq INTEGER NOT NULL DEFAULT 0,
    audit_mac TEXT NOT NULL DEFAULT '',
    UNIQUE (tenant, id)
) STRICT;
CREATE INDEX conversations_by_agent ON conversations (tenant, agent, id);
CREATE INDEX conversations_by_user ON conversations (tenant, user_id, agent, id);
CREATE INDEX conversations_by_wake ON conversations (wake_at, tenant, id) WHERE wake_at IS NOT NULL;

-- The events of one commit a row: `upto` is the version after it.
CREATE TABLE events (
    conversation INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    count INTEGER NOT NULL,
    packed BLOB NOT NULL,
    PRIMARY KEY (conversation, upto)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshots (
    conversation INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    packed BLOB NOT NULL
) STRICT;

-- Message ids that were used, by digest, with what was answered.
CREATE TABLE messages (
    conversation INTEGER NOT NULL,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    digest TEXT,
    answer BLOB,
    PRIMARY KEY (conversation, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX messages_by_time ON messages (at);

CREATE TABLE audit (
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    text TEXT NOT NULL,
    mac TEXT NOT NULL,
    erased INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE holds (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    conversation INTEGER NOT NULL,
    agent TEXT NOT NULL,
    held TEXT NOT NULL, -- JSON
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX holds_by_agent ON holds (tenant, agent, id);
CREATE INDEX holds_by_conversation ON holds (conversation);

-- Idempotency keys: reserved until `applied`.
CREATE TABLE keys (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    conversation INTEGER NOT NULL,
    digest TEXT NOT NULL,
    applied BLOB,
    until INTEGER,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_time ON keys (until) WHERE until IS NOT NULL;
CREATE INDEX keys_by_conversation ON keys (conversation);

-- What was counted towards a rate, numbered within its bucket.
CREATE TABLE rates (
    tenant TEXT NOT NULL,
    bucket TEXT NOT NULL,
    at INTEGER NOT NULL,
    n INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (tenant, bucket, at, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX rates_by_time ON rates (until);

CREATE TABLE others (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    conversation INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, key)
) STRICT, WITHOUT ROWID;

-- Texts of workspaces by hash, the versions that they belong to, and the journeys that runs stand on.
CREATE TABLE texts (
    hash TEXT PRIMARY KEY,
    packed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE versions (
    hash TEXT PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE version_texts (
    version TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (version, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX version_texts_by_hash ON version_texts (hash);
CREATE TABLE pins (
    conversation INTEGER NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (conversation, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX pins_by_hash ON pins (hash);

CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    secret BLOB NOT NULL
) STRICT, WITHOUT ROWID;
