-- From when on a name that is used once may be used again.
ALTER TABLE others ADD COLUMN until INTEGER;
CREATE INDEX others_by_time ON others (until) WHERE until IS NOT NULL;

-- Rows lie in the order in which they came, not by conversation: what many conversations commit together then shares its pages.
ALTER TABLE events RENAME TO events_before;
CREATE TABLE events (
    conversation INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    count INTEGER NOT NULL,
    packed BLOB NOT NULL
) STRICT;
INSERT INTO events SELECT conversation, upto, count, packed FROM events_before;
DROP TABLE events_before;
CREATE UNIQUE INDEX events_by_conversation ON events (conversation, upto);

ALTER TABLE audit RENAME TO audit_before;
CREATE TABLE audit (
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    text TEXT NOT NULL,
    mac TEXT NOT NULL,
    erased INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO audit SELECT conversation, seq, at, text, mac, erased FROM audit_before;
DROP TABLE audit_before;
CREATE UNIQUE INDEX audit_by_conversation ON audit (conversation, seq);

ALTER TABLE messages RENAME TO messages_before;
CREATE TABLE messages (
    conversation INTEGER NOT NULL,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    digest TEXT,
    answer BLOB
) STRICT;
INSERT INTO messages SELECT conversation, id, at, digest, answer FROM messages_before;
DROP TABLE messages_before;
CREATE UNIQUE INDEX messages_by_conversation ON messages (conversation, id);
CREATE INDEX messages_by_time ON messages (at);
