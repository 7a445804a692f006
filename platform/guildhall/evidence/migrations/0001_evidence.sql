CREATE SCHEMA IF NOT EXISTS evidence;

CREATE TABLE evidence.outbox_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant name NOT NULL DEFAULT current_user,
    position bigint,
    kind varchar(80) NOT NULL,
    version smallint NOT NULL,
    subject varchar(120) NOT NULL,
    payload jsonb NOT NULL,
    actor jsonb NOT NULL,
    operation_id uuid NOT NULL,
    trace_id varchar(32) NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT outbox_position_once UNIQUE (tenant, position)
);
CREATE INDEX outbox_unplaced ON evidence.outbox_event (id) WHERE position IS NULL;
CREATE INDEX outbox_subject ON evidence.outbox_event (tenant, subject, position);

CREATE TABLE evidence.outbox_head (
    tenant name PRIMARY KEY,
    position bigint NOT NULL CHECK (position >= 0)
);

CREATE TABLE evidence.consumer_cursor (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant name NOT NULL DEFAULT current_user,
    consumer varchar(80) NOT NULL,
    position bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
    lease_token uuid,
    leased_until timestamptz,
    attempts smallint NOT NULL DEFAULT 0,
    retry_at timestamptz,
    last_error text NOT NULL DEFAULT '',
    CONSTRAINT consumer_cursor_once UNIQUE (tenant, consumer)
);

CREATE TABLE evidence.dead_letter (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant name NOT NULL DEFAULT current_user,
    consumer varchar(80) NOT NULL,
    position bigint NOT NULL,
    error text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    replayed_at timestamptz,
    CONSTRAINT dead_letter_once UNIQUE (tenant, consumer, position)
);

CREATE TABLE evidence.audit_entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant name NOT NULL DEFAULT current_user,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind varchar(80) NOT NULL,
    action varchar(80) NOT NULL,
    outcome varchar(12) NOT NULL CHECK (outcome IN ('done', 'denied')),
    subject varchar(120) NOT NULL,
    actor_ref varchar(80) NOT NULL,
    operation_id uuid NOT NULL,
    trace_id varchar(32) NOT NULL,
    event_id bigint,
    payload_digest bytea NOT NULL
);
CREATE INDEX audit_entry_subject ON evidence.audit_entry (tenant, subject, id);
CREATE INDEX audit_entry_operation ON evidence.audit_entry (tenant, operation_id);

CREATE TABLE evidence.audit_payload (
    entry_id bigint PRIMARY KEY REFERENCES evidence.audit_entry (id),
    tenant name NOT NULL DEFAULT current_user,
    salt bytea NOT NULL,
    body jsonb NOT NULL
);

-- The sealer's work list. The trigger adds to it without waiting for anybody; only the sealer takes from it. Nobody else
-- may add: a second item for a sealed entry would stop the sealer, for every tenant.
CREATE TABLE evidence.audit_unsealed (
    entry_id bigint PRIMARY KEY REFERENCES evidence.audit_entry (id),
    tenant name NOT NULL DEFAULT current_user
);

CREATE TABLE evidence.audit_link (
    tenant name NOT NULL,
    position bigint NOT NULL CHECK (position > 0),
    entry_id bigint NOT NULL UNIQUE REFERENCES evidence.audit_entry (id),
    hash bytea NOT NULL,
    PRIMARY KEY (tenant, position)
);

CREATE TABLE evidence.audit_seal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant name NOT NULL,
    position bigint NOT NULL,
    root bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT audit_seal_once UNIQUE (tenant, position)
);

-- One statement from the writer becomes event, entry, payload and work item.
CREATE FUNCTION evidence.queue_for_sealing() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, evidence AS $$
BEGIN
    INSERT INTO evidence.audit_unsealed (entry_id, tenant) VALUES (NEW.id, NEW.tenant);
    RETURN NULL;
END $$;
CREATE TRIGGER audit_entry_queue AFTER INSERT ON evidence.audit_entry
    FOR EACH ROW EXECUTE FUNCTION evidence.queue_for_sealing();

CREATE FUNCTION evidence.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on evidence.% is refused: the audit trail is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_entry_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence.audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_change();
CREATE TRIGGER audit_link_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence.audit_link
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_change();
CREATE TRIGGER audit_seal_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence.audit_seal
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_change();

CREATE FUNCTION evidence.wake_relay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_event_wake AFTER INSERT ON evidence.outbox_event
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.wake_relay();

ALTER TABLE evidence.outbox_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE evidence.outbox_head ENABLE ROW LEVEL SECURITY;
ALTER TABLE evidence.consumer_cursor ENABLE ROW LEVEL SECURITY;
ALTER TABLE evidence.dead_letter ENABLE ROW LEVEL SECURITY;
ALTER TABLE evidence.audit_entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE evidence.audit_payload ENABLE ROW LEVEL SECURITY;
ALTER TABLE evidence.audit_unsealed ENABLE ROW LEVEL SECURITY;
ALTER TABLE evidence.audit_link ENABLE ROW LEVEL SECURITY;
ALTER TABLE evidence.audit_seal ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_read ON evidence.outbox_event FOR SELECT USING (tenant = current_user);
CREATE POLICY own_write ON evidence.outbox_event FOR INSERT WITH CHECK (tenant = current_user AND position IS NULL);
CREATE POLICY own_read ON evidence.outbox_head FOR SELECT USING (tenant = current_user);
CREATE POLICY own ON evidence.consumer_cursor USING (tenant = current_user) WITH CHECK (tenant = current_user);
CREATE POLICY own ON evidence.dead_letter USING (tenant = current_user) WITH CHECK (tenant = current_user);
CREATE POLICY own_read ON evidence.audit_entry FOR SELECT USING (tenant = current_user);
CREATE POLICY own_write ON evidence.audit_entry FOR INSERT WITH CHECK (tenant = current_user);
CREATE POLICY own_read ON evidence.audit_payload FOR SELECT USING (tenant = current_user);
CREATE POLICY own_write ON evidence.audit_payload FOR INSERT WITH CHECK (tenant = current_user);
CREATE POLICY own_read ON evidence.audit_link FOR SELECT USING (tenant = current_user);
CREATE POLICY own_read ON evidence.audit_seal FOR SELECT USING (tenant = current_user);

CREATE POLICY relay ON evidence.outbox_event TO guildhall_relay USING (true) WITH CHECK (true);
CREATE POLICY relay ON evidence.outbox_head TO guildhall_relay USING (true) WITH CHECK (true);
CREATE POLICY relay ON evidence.consumer_cursor FOR SELECT TO guildhall_relay USING (true);
CREATE POLICY sealer ON evidence.audit_entry FOR SELECT TO guildhall_sealer USING (true);
CREATE POLICY sealer ON evidence.audit_payload FOR SELECT TO guildhall_sealer USING (true);
CREATE POLICY sealer ON evidence.audit_unsealed TO guildhall_sealer USING (true) WITH CHECK (true);
CREATE POLICY sealer ON evidence.audit_link TO guildhall_sealer USING (true) WITH CHECK (true);
CREATE POLICY sealer ON evidence.audit_seal TO guildhall_sealer USING (true) WITH CHECK (true);

GRANT USAGE ON SCHEMA evidence TO guildhall_tenant, guildhall_platform, guildhall_relay, guildhall_sealer;
GRANT SELECT, INSERT ON evidence.outbox_event, evidence.audit_entry, evidence.audit_payload
    TO guildhall_tenant, guildhall_platform;
GRANT SELECT ON evidence.outbox_head, evidence.audit_link, evidence.audit_seal
    TO guildhall_tenant, guildhall_platform;
GRANT SELECT, INSERT, UPDATE ON evidence.consumer_cursor, evidence.dead_letter
    TO guildhall_tenant, guildhall_platform;
GRANT SELECT, UPDATE (position) ON evidence.outbox_event TO guildhall_relay;
GRANT SELECT, INSERT, UPDATE ON evidence.outbox_head TO guildhall_relay;
GRANT SELECT ON evidence.consumer_cursor TO guildhall_relay;
GRANT SELECT ON evidence.audit_entry, evidence.audit_payload TO guildhall_sealer;
GRANT SELECT, DELETE ON evidence.audit_unsealed TO guildhall_sealer;
GRANT SELECT, INSERT ON evidence.audit_link, evidence.audit_seal TO guildhall_sealer;
