-- Conversations, and all that stands under them. Times are nanoseconds since 1970. Texts compare by their bytes.

CREATE TABLE waypost.conversations (
    row BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    agent TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    wake_at BIGINT,
    life BIGINT NOT NULL DEFAULT 0, -- 0 open, 1 finished, 2 erased
    audit_seq BIGINT NOT NULL DEFAULT 0,
    audit_mac TEXT COLLATE "C" NOT NULL DEFAULT '',
    UNIQUE (tenant, id)
) WITH (fillfactor = 80);
CREATE INDEX conversations_by_agent ON waypost.conversations (tenant, agent, id);
CREATE INDEX conversations_by_user ON waypost.conversations (tenant, user_id, agent, id);
CREATE INDEX conversations_by_wake ON waypost.conversations (wake_at, tenant, id) WHERE wake_at IS NOT NULL;

-- The events of one commit a row: `upto` is the version after it.
CREATE TABLE waypost.events (
    conversation BIGINT NOT NULL,
    upto BIGINT NOT NULL,
    count BIGINT NOT NULL,
    packed BYTEA NOT NULL,
    PRIMARY KEY (conversation, upto)
);

CREATE TABLE waypost.snapshots (
    conversation BIGINT PRIMARY KEY,
    version BIGINT NOT NULL,
    packed BYTEA NOT NULL
);

-- Message ids that were used, by digest, with what was answered.
CREATE TABLE waypost.messages (
    conversation BIGINT NOT NULL,
    id BYTEA NOT NULL,
    at BIGINT NOT NULL,
    digest TEXT COLLATE "C",
    answer BYTEA,
    PRIMARY KEY (conversation, id)
);
CREATE INDEX messages_by_time ON waypost.messages (at);

CREATE TABLE waypost.audit (
    conversation BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    mac TEXT COLLATE "C" NOT NULL,
    erased BOOLEAN NOT NULL DEFAULT false,
    PRIMARY KEY (conversation, seq)
);

CREATE TABLE waypost.holds (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    conversation BIGINT NOT NULL,
    agent TEXT COLLATE "C" NOT NULL,
    held TEXT COLLATE "C" NOT NULL, -- JSON
    PRIMARY KEY (tenant, id)
);
CREATE INDEX holds_by_agent ON waypost.holds (tenant, agent, id);
CREATE INDEX holds_by_conversation ON waypost.holds (conversation);

-- Idempotency keys: reserved until `applied`.
CREATE TABLE waypost.keys (
    tenant TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    conversation BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    applied BYTEA,
    until BIGINT,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX keys_by_time ON waypost.keys (until) WHERE until IS NOT NULL;
CREATE INDEX keys_by_conversation ON waypost.keys (conversation);

-- What was counted towards a rate, numbered within its bucket.
CREATE TABLE waypost.rates (
    tenant TEXT COLLATE "C" NOT NULL,
    bucket TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    n BIGINT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (tenant, bucket, at, n)
);
CREATE INDEX rates_by_time ON waypost.rates (until);

CREATE TABLE waypost.others (
    tenant TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    conversation BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, key)
);

-- Texts of workspaces by hash, the versions that they belong to, and the journeys that runs stand on.
CREATE TABLE waypost.texts (
    hash TEXT COLLATE "C" PRIMARY KEY,
    packed BYTEA NOT NULL
);
CREATE TABLE waypost.versions (
    hash TEXT COLLATE "C" PRIMARY KEY,
    at BIGINT NOT NULL
);
CREATE TABLE waypost.version_texts (
    version TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (version, hash)
);
CREATE INDEX version_texts_by_hash ON waypost.version_texts (hash);
CREATE TABLE waypost.pins (
    conversation BIGINT NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (conversation, hash)
);
CREATE INDEX pins_by_hash ON waypost.pins (hash);

CREATE TABLE waypost.secrets (
    name TEXT COLLATE "C" PRIMARY KEY,
    secret BYTEA NOT NULL
);
