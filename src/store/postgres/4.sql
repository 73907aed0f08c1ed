-- Attempts to run actions of providers; later ones have greater ids.
CREATE TABLE waypost.executions (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    conversation BIGINT NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    attempt TEXT COLLATE "C" NOT NULL, -- JSON
    PRIMARY KEY (tenant, id)
);
CREATE INDEX executions_by_conversation ON waypost.executions (conversation, id);
CREATE INDEX executions_by_action ON waypost.executions (tenant, action, id);
