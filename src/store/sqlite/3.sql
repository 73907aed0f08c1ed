-- Conditions and triggered actions as they are registered: never changed. Of tenant '' are those of the workspace's files.
CREATE TABLE definitions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    defines INTEGER NOT NULL, -- 0 a condition, 1 an action
    namespace TEXT NOT NULL,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    at INTEGER NOT NULL,
    bound TEXT NOT NULL, -- what it is bound to: a JSON list of texts
    body TEXT NOT NULL, -- JSON
    UNIQUE (tenant, defines, id, version)
) STRICT;
CREATE INDEX definitions_by_tenant ON definitions (tenant, defines, seq, namespace);

-- What is bound to an event, or to a condition's version.
CREATE TABLE bindings (
    tenant TEXT NOT NULL,
    defines INTEGER NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (tenant, defines, key, seq)
) STRICT, WITHOUT ROWID;

-- What was known of entities, and since when. Of two rows of one time the later counts.
CREATE TABLE primitives (
    row INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    namespace TEXT NOT NULL,
    field TEXT NOT NULL,
    entity TEXT NOT NULL,
    at INTEGER NOT NULL,
    value TEXT NOT NULL, -- JSON
    by TEXT
) STRICT;
CREATE INDEX primitives_by_entity ON primitives (tenant, namespace, field, entity, at, row);

-- What conditions were evaluated over, where they look at an entity's history.
CREATE TABLE samples (
    tenant TEXT NOT NULL,
    series TEXT NOT NULL,
    entity TEXT NOT NULL,
    at INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (tenant, series, entity, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX samples_by_entity ON samples (tenant, entity);

CREATE TABLE decisions (
    row INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    namespace TEXT NOT NULL,
    condition_id TEXT NOT NULL,
    entity TEXT NOT NULL,
    conversation TEXT,
    body TEXT NOT NULL, -- JSON, with what its actions had come to by then
    UNIQUE (tenant, id)
) STRICT;
CREATE INDEX decisions_by_entity ON decisions (tenant, entity, row);
CREATE INDEX decisions_by_condition ON decisions (tenant, condition_id, row);
CREATE INDEX decisions_by_conversation ON decisions (tenant, conversation) WHERE conversation IS NOT NULL;

-- What actions came to after their decision was recorded.
CREATE TABLE results (
    tenant TEXT NOT NULL,
    decision TEXT NOT NULL,
    n INTEGER NOT NULL,
    body TEXT NOT NULL, -- JSON
    PRIMARY KEY (tenant, decision, n)
) STRICT, WITHOUT ROWID;

-- Actions that are still to be done, or were given up.
CREATE TABLE deliveries (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    decision TEXT NOT NULL,
    n INTEGER NOT NULL,
    action_id TEXT NOT NULL,
    action_version TEXT NOT NULL,
    due INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    plan TEXT NOT NULL
) STRICT;
CREATE INDEX deliveries_by_due ON deliveries (due) WHERE dead = 0;
CREATE INDEX deliveries_by_tenant ON deliveries (tenant, dead, row);
CREATE INDEX deliveries_by_decision ON deliveries (tenant, decision);

-- Events of conversations on which conditions are still to be evaluated; until `lease` somebody is at it.
CREATE TABLE owed (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    conversation TEXT NOT NULL,
    event TEXT NOT NULL,
    at INTEGER NOT NULL,
    data TEXT NOT NULL, -- JSON
    depth INTEGER NOT NULL,
    lease INTEGER NOT NULL
) STRICT;
CREATE INDEX owed_by_lease ON owed (lease, row);
CREATE INDEX owed_by_conversation ON owed (tenant, conversation);
