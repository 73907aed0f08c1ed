-- What is known of an entity is erased with it.
CREATE INDEX primitives_by_owner ON waypost.primitives (tenant, entity);
