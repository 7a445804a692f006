-- A month of a tenant's chain that was dropped because its time was over: up to which position, and the root there, from
-- which the rest of the chain is verified. The month is that of the seals, so it begins and ends at a seal.
CREATE TABLE evidence.audit_expired (
    tenant name NOT NULL,
    position bigint NOT NULL,
    period date NOT NULL CHECK (extract(day FROM period) = 1),
    entries bigint NOT NULL CHECK (entries > 0),
    root bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, position),
    CONSTRAINT audit_expired_once UNIQUE (tenant, period)
);
CREATE INDEX audit_seal_at ON evidence.audit_seal (at);
CREATE INDEX audit_erasure_asked_by ON evidence.audit_erasure (asked_by);

CREATE FUNCTION evidence.end_of(period date) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT (period + interval '1 month') AT TIME ZONE 'UTC'
$$;

-- Asked of the sealer too: a year is the least that is kept, a month goes whole or not at all, and only what was sealed.
CREATE FUNCTION evidence.prove_expiry() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, evidence AS $$
DECLARE
    ends timestamptz := evidence.end_of(NEW.period);
    problem text;
BEGIN
    IF ends > (date_trunc('month', now() AT TIME ZONE 'UTC') - interval '12 months') AT TIME ZONE 'UTC' THEN
        problem := 'it is younger than a year';
    ELSIF NOT EXISTS (SELECT FROM evidence.audit_seal s WHERE s.tenant = NEW.tenant AND s.position = NEW.position
            AND s.root = NEW.root AND s.at < ends AND s.at >= NEW.period::timestamp AT TIME ZONE 'UTC') THEN
        problem := 'no seal of that month has this position and root';
    ELSIF EXISTS (SELECT FROM evidence.audit_seal s WHERE s.tenant = NEW.tenant AND s.position > NEW.position
            AND s.at < ends) THEN
        problem := 'the month goes on behind this position';
    ELSIF EXISTS (SELECT FROM evidence.audit_link l JOIN evidence.audit_entry e ON e.id = l.entry_id
            WHERE l.tenant = NEW.tenant AND l.position <= NEW.position AND e.at >= ends) THEN
        problem := 'it holds entries of a later month';
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'the audit trail of % in % does not expire: %', NEW.tenant, to_char(NEW.period, 'YYYY-MM'), problem
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_expired_proved BEFORE INSERT ON evidence.audit_expired
    FOR EACH ROW EXECUTE FUNCTION evidence.prove_expiry();
CREATE TRIGGER audit_expired_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence.audit_expired
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_change();

-- Deleting is the sealer's alone, and of each row only what a recorded month holds.
CREATE FUNCTION evidence.refuse_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'guildhall_sealer' THEN
        RAISE EXCEPTION 'DELETE on evidence.% is refused: the audit trail is append-only', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION evidence.refuse_unexpired() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, evidence AS $$
DECLARE
    expired boolean;
BEGIN
    IF TG_TABLE_NAME = 'audit_entry' THEN
        -- Its link went before it, or the foreign key would keep it.
        expired := EXISTS (SELECT FROM evidence.audit_expired x
            WHERE x.tenant = OLD.tenant AND evidence.end_of(x.period) > OLD.at);
    ELSIF TG_TABLE_NAME = 'audit_link' THEN
        expired := EXISTS (SELECT FROM evidence.audit_expired x
            WHERE x.tenant = OLD.tenant AND x.position >= OLD.position);
    ELSE
        expired := EXISTS (SELECT FROM evidence.audit_link l JOIN evidence.audit_expired x
            ON x.tenant = l.tenant AND x.position >= l.position WHERE l.entry_id = OLD.entry_id AND l.tenant = OLD.tenant);
    END IF;
    IF NOT expired THEN
        RAISE EXCEPTION 'DELETE on evidence.% is refused: no expiry of this row is recorded', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END $$;

DROP TRIGGER audit_entry_kept ON evidence.audit_entry;
DROP TRIGGER audit_link_kept ON evidence.audit_link;
DROP TRIGGER audit_erasure_kept ON evidence.audit_erasure;
CREATE TRIGGER audit_entry_kept BEFORE UPDATE OR TRUNCATE ON evidence.audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_change();
CREATE TRIGGER audit_link_kept BEFORE UPDATE OR TRUNCATE ON evidence.audit_link
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_change();
CREATE TRIGGER audit_erasure_kept BEFORE TRUNCATE ON evidence.audit_erasure
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_change();
CREATE TRIGGER audit_entry_deleted BEFORE DELETE ON evidence.audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_deletion();
CREATE TRIGGER audit_link_deleted BEFORE DELETE ON evidence.audit_link
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_deletion();
CREATE TRIGGER audit_erasure_deleted BEFORE DELETE ON evidence.audit_erasure
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_deletion();
CREATE TRIGGER audit_entry_expires BEFORE DELETE ON evidence.audit_entry
    FOR EACH ROW EXECUTE FUNCTION evidence.refuse_unexpired();
CREATE TRIGGER audit_link_expires BEFORE DELETE ON evidence.audit_link
    FOR EACH ROW EXECUTE FUNCTION evidence.refuse_unexpired();
CREATE TRIGGER audit_erasure_expires BEFORE DELETE ON evidence.audit_erasure
    FOR EACH ROW EXECUTE FUNCTION evidence.refuse_unexpired();

ALTER TABLE evidence.audit_expired ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_read ON evidence.audit_expired FOR SELECT USING (tenant = current_user);
CREATE POLICY sealer ON evidence.audit_expired TO guildhall_sealer USING (true) WITH CHECK (true);
CREATE POLICY sealer_expires ON evidence.audit_entry FOR DELETE TO guildhall_sealer USING (true);
CREATE POLICY sealer_expires ON evidence.audit_payload FOR DELETE TO guildhall_sealer USING (
    EXISTS (SELECT FROM evidence.audit_link l JOIN evidence.audit_expired x ON x.tenant = l.tenant AND x.position >= l.position
        WHERE l.entry_id = audit_payload.entry_id AND l.tenant = audit_payload.tenant)
);
GRANT SELECT ON evidence.audit_expired TO guildhall_tenant, guildhall_platform;
GRANT SELECT, INSERT ON evidence.audit_expired TO guildhall_sealer;
GRANT DELETE ON evidence.audit_entry, evidence.audit_link, evidence.audit_erasure TO guildhall_sealer;
