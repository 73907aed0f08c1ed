-- Conditions and triggered actions as they are registered: never changed. Of tenant '' are those of the workspace's files.
CREATE TABLE waypost.definitions (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    defines BIGINT NOT NULL, -- 0 a condition, 1 an action
    namespace TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    bound TEXT COLLATE "C" NOT NULL, -- what it is bound to: a JSON list of texts
    body TEXT COLLATE "C" NOT NULL, -- JSON
    UNIQUE (tenant, defines, id, version)
);
CREATE INDEX definitions_by_tenant ON waypost.definitions (tenant, defines, seq, namespace);

-- What is bound to an event, or to a condition's version.
CREATE TABLE waypost.bindings (
    tenant TEXT COLLATE "C" NOT NULL,
    defines BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (tenant, defines, key, seq)
);

-- What was known of entities, and since when. Of two rows of one time the later counts.
CREATE TABLE waypost.primitives (
    row BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    namespace TEXT COLLATE "C" NOT NULL,
    field TEXT COLLATE "C" NOT NULL,
    entity TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    value TEXT COLLATE "C" NOT NULL, -- JSON
    by TEXT COLLATE "C"
);
CREATE INDEX primitives_by_entity ON waypost.primitives (tenant, namespace, field, entity, at, row);

-- What conditions were evaluated over, where they look at an entity's history.
CREATE TABLE waypost.samples (
    tenant TEXT COLLATE "C" NOT NULL,
    series TEXT COLLATE "C" NOT NULL,
    entity TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (tenant, series, entity, at)
);
CREATE INDEX samples_by_entity ON waypost.samples (tenant, entity);

CREATE TABLE waypost.decisions (
    row BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    namespace TEXT COLLATE "C" NOT NULL,
    condition_id TEXT COLLATE "C" NOT NULL,
    entity TEXT COLLATE "C" NOT NULL,
    conversation TEXT COLLATE "C",
    body TEXT COLLATE "C" NOT NULL, -- JSON, with what its actions had come to by then
    UNIQUE (tenant, id)
);
CREATE INDEX decisions_by_entity ON waypost.decisions (tenant, entity, row);
CREATE INDEX decisions_by_condition ON waypost.decisions (tenant, condition_id, row);
CREATE INDEX decisions_by_conversation ON waypost.decisions (tenant, conversation) WHERE conversation IS NOT NULL;

-- What actions came to after their decision was recorded.
CREATE TABLE waypost.results (
    tenant TEXT COLLATE "C" NOT NULL,
    decision TEXT COLLATE "C" NOT NULL,
    n BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL, -- JSON
    PRIMARY KEY (tenant, decision, n)
);

-- Actions that are still to be done, or were given up.
CREATE TABLE waypost.deliveries (
    row BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    decision TEXT COLLATE "C" NOT NULL,
    n BIGINT NOT NULL,
    action_id TEXT COLLATE "C" NOT NULL,
    action_version TEXT COLLATE "C" NOT NULL,
    due BIGINT NOT NULL,
    tries BIGINT NOT NULL DEFAULT 0,
    dead BOOLEAN NOT NULL DEFAULT false,
    error TEXT COLLATE "C",
    plan TEXT COLLATE "C" NOT NULL
);
CREATE INDEX deliveries_by_due ON waypost.deliveries (due) WHERE NOT dead;
CREATE INDEX deliveries_by_tenant ON waypost.deliveries (tenant, dead, row);
CREATE INDEX deliveries_by_decision ON waypost.deliveries (tenant, decision);

-- Events of conversations on which conditions are still to be evaluated; until `lease` somebody is at it.
CREATE TABLE waypost.owed (
    row BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    conversation TEXT COLLATE "C" NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    data TEXT COLLATE "C" NOT NULL, -- JSON
    depth BIGINT NOT NULL,
    lease BIGINT NOT NULL
);
CREATE INDEX owed_by_lease ON waypost.owed (lease, row);
CREATE INDEX owed_by_conversation ON waypost.owed (tenant, conversation);
