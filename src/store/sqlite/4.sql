-- Attempts to run actions of providers; later ones have greater ids.
CREATE TABLE executions (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    conversation INTEGER NOT NULL,
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    attempt TEXT NOT NULL, -- JSON
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX executions_by_conversation ON executions (conversation, id);
CREATE INDEX executions_by_action ON executions (tenant, action, id);
