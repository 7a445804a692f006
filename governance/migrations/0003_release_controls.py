import django.db.models.functions.datetime
from django.db import migrations, models

# An approval is given by votes alone: whoever writes the row past the application's code, even as the database's owner,
# is refused a state that the votes for exactly these bytes do not carry, a step back, and a vote of somebody who was
# kept out. Tables are named by the trigger's own schema: it holds whatever the session's search path says.
SQL = """
CREATE OR REPLACE FUNCTION governance_asked_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.kind, OLD.subject, OLD.title, OLD.summary, OLD.binding, OLD.binding_hash, OLD.risk, OLD.requester,
        OLD.excluded, OLD.eligible_roles, OLD.quorum, OLD.expires_at, OLD.client, OLD.requested_at)
       IS DISTINCT FROM
       (NEW.kind, NEW.subject, NEW.title, NEW.summary, NEW.binding, NEW.binding_hash, NEW.risk, NEW.requester,
        NEW.excluded, NEW.eligible_roles, NEW.quorum, NEW.expires_at, NEW.client, NEW.requested_at)
    THEN
        RAISE EXCEPTION 'what an approval asks cannot be changed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION governance_approval_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    yes integer;
BEGIN
    IF NEW.state NOT IN ('pending', 'approved', 'changes_requested', 'rejected', 'expired', 'void', 'executed') THEN
        RETURN NEW; -- refused by the table's own check
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'pending' THEN
            RAISE EXCEPTION 'an approval begins as a question' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.state = NEW.state THEN
        IF OLD.state = 'executed' AND OLD.outcome IS DISTINCT FROM NEW.outcome THEN
            RAISE EXCEPTION 'a receipt cannot be changed' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END IF;
    IF NOT (OLD.state = 'pending' AND NEW.state <> 'executed' OR OLD.state = 'approved' AND NEW.state IN ('executed', 'void'))
    THEN
        RAISE EXCEPTION 'an approval that is % cannot become %', OLD.state, NEW.state
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NEW.state IN ('approved', 'executed') THEN
        EXECUTE format('SELECT count(DISTINCT voter) FROM %I.governance_approvalvote WHERE approval_id = $1'
                       ' AND decision = ''approve'' AND binding_hash = $2', TG_TABLE_SCHEMA)
            INTO yes USING NEW.id, NEW.binding_hash;
        IF yes < NEW.quorum THEN
            RAISE EXCEPTION 'approval % has % of % votes', NEW.id, yes, NEW.quorum
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER moves_by_votes BEFORE INSERT OR UPDATE ON governance_approval
    FOR EACH ROW EXECUTE FUNCTION governance_approval_moves();
CREATE TRIGGER never_deleted BEFORE DELETE ON governance_approval
    FOR EACH ROW EXECUTE FUNCTION governance_append_only();

CREATE FUNCTION governance_vote_counts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked record;
BEGIN
    EXECUTE format('SELECT state, binding_hash, requester, excluded FROM %I.governance_approval WHERE id = $1',
                   TG_TABLE_SCHEMA) INTO asked USING NEW.approval_id;
    IF asked.state <> 'pending' OR asked.binding_hash <> NEW.binding_hash THEN
        RAISE EXCEPTION 'nothing like this is asked' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NEW.voter = asked.requester OR NEW.voter = ANY (asked.excluded) OR NEW.voter NOT SIMILAR TO '(person|owner):%' THEN
        RAISE EXCEPTION '% may not decide this', NEW.voter USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER vote_counts BEFORE INSERT ON governance_approvalvote
    FOR EACH ROW EXECUTE FUNCTION governance_vote_counts();
"""

BACK = """
DROP TRIGGER vote_counts ON governance_approvalvote;
DROP TRIGGER never_deleted ON governance_approval;
DROP TRIGGER moves_by_votes ON governance_approval;
DROP FUNCTION governance_vote_counts();
DROP FUNCTION governance_approval_moves();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("governance", "0002_guards"),
    ]

    operations = [
        migrations.AddField(
            model_name="approval",
            name="held_reason",
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name="approval",
            name="held_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="approval",
            name="tried_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="ReleaseHold",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=[("lock", "Lock"), ("freeze", "Freeze")], max_length=8)),
                ("environment", models.CharField(max_length=160)),
                ("reason", models.CharField(max_length=300)),
                ("held_by", models.CharField(max_length=160)),
                ("held_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("until", models.DateTimeField(null=True)),
                ("lifted_by", models.CharField(blank=True, max_length=160)),
                ("lifted_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("lifted_at__isnull", True)),
                        fields=("kind", "environment"),
                        name="release_hold_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["lock", "freeze"])), name="release_hold_kind_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("environment", ""), _negated=True), name="release_hold_names_environments"
                    ),
                ],
            },
        ),
        migrations.RunSQL(SQL, BACK),
    ]
