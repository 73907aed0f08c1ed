-- From when on a name that is used once may be used again.
ALTER TABLE others ADD COLUMN until INTEGER;
CREATE INDEX others_by_time ON others (until) WHERE until IS NOT NULL;
