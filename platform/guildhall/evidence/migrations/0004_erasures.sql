-- A payload that has to be forgotten is named here by its tenant, with the entry that says who asked and why. The sealer
-- deletes it; nobody else can. Its entry, and with it the chain, stays.
CREATE TABLE evidence.audit_erasure (
    entry_id bigint PRIMARY KEY REFERENCES evidence.audit_entry (id),
    tenant name NOT NULL DEFAULT current_user,
    asked_by bigint NOT NULL REFERENCES evidence.audit_entry (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at timestamptz
);
CREATE INDEX audit_erasure_due ON evidence.audit_erasure (entry_id) WHERE done_at IS NULL;
CREATE INDEX audit_entry_newest ON evidence.audit_entry (tenant, id);
CREATE INDEX audit_entry_actor ON evidence.audit_entry (tenant, actor_ref, id);
CREATE INDEX audit_entry_kind ON evidence.audit_entry (tenant, kind, id);
CREATE INDEX audit_entry_at ON evidence.audit_entry (tenant, at);

ALTER TABLE evidence.audit_erasure ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_read ON evidence.audit_erasure FOR SELECT USING (tenant = current_user);
CREATE POLICY own_write ON evidence.audit_erasure FOR INSERT WITH CHECK (
    tenant = current_user AND done_at IS NULL
    AND EXISTS (SELECT FROM evidence.audit_entry e WHERE e.id = entry_id AND e.tenant = current_user)
    AND EXISTS (SELECT FROM evidence.audit_entry e WHERE e.id = asked_by AND e.tenant = current_user)
);
CREATE POLICY sealer ON evidence.audit_erasure TO guildhall_sealer USING (true) WITH CHECK (true);
CREATE POLICY sealer_erases ON evidence.audit_payload FOR DELETE TO guildhall_sealer USING (
    EXISTS (SELECT FROM evidence.audit_erasure r WHERE r.entry_id = audit_payload.entry_id AND r.tenant = audit_payload.tenant)
);
CREATE TRIGGER audit_erasure_kept BEFORE DELETE OR TRUNCATE ON evidence.audit_erasure
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_change();
CREATE TRIGGER audit_payload_kept BEFORE UPDATE OR TRUNCATE ON evidence.audit_payload
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_change();
GRANT SELECT, INSERT ON evidence.audit_erasure TO guildhall_tenant, guildhall_platform;
GRANT SELECT, UPDATE (done_at) ON evidence.audit_erasure TO guildhall_sealer;
GRANT DELETE ON evidence.audit_payload TO guildhall_sealer;
