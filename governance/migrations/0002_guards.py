from django.db import migrations

# What the application promises, held by the database: the ledger and its like only grow, and what people were asked
# cannot be changed under their answer. The comment is what provisioning looks for when it takes the rights away.
SQL = """
CREATE FUNCTION governance_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON governance_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION governance_append_only();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON governance_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION governance_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON governance_reputationevent
    FOR EACH ROW EXECUTE FUNCTION governance_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON governance_approvalvote
    FOR EACH ROW EXECUTE FUNCTION governance_append_only();
COMMENT ON TABLE governance_ledgerentry IS 'append-only';
COMMENT ON TABLE governance_reputationevent IS 'append-only';
COMMENT ON TABLE governance_approvalvote IS 'append-only';

CREATE FUNCTION governance_asked_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.kind, OLD.subject, OLD.title, OLD.summary, OLD.binding, OLD.binding_hash, OLD.risk, OLD.requester,
        OLD.excluded, OLD.eligible_roles, OLD.quorum, OLD.expires_at)
       IS DISTINCT FROM
       (NEW.kind, NEW.subject, NEW.title, NEW.summary, NEW.binding, NEW.binding_hash, NEW.risk, NEW.requester,
        NEW.excluded, NEW.eligible_roles, NEW.quorum, NEW.expires_at)
    THEN
        RAISE EXCEPTION 'what an approval asks cannot be changed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER asked_stays BEFORE UPDATE ON governance_approval
    FOR EACH ROW EXECUTE FUNCTION governance_asked_stays();
"""

BACK = """
DROP TRIGGER asked_stays ON governance_approval;
DROP TRIGGER append_only ON governance_approvalvote;
DROP TRIGGER append_only ON governance_reputationevent;
DROP TRIGGER never_emptied ON governance_ledgerentry;
DROP TRIGGER append_only ON governance_ledgerentry;
DROP FUNCTION governance_asked_stays();
DROP FUNCTION governance_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0001_initial")]
    operations = [migrations.RunSQL(SQL, BACK)]
