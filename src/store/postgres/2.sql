-- From when on a name that is used once may be used again.
ALTER TABLE waypost.others ADD COLUMN until BIGINT;
CREATE INDEX others_by_time ON waypost.others (until) WHERE until IS NOT NULL;
