import django.contrib.postgres.fields
import django.db.models.functions.datetime
import django_fsm
from django.db import migrations, models

# A version of the policy stays as it was written, and after the first none comes into force without an approval of exactly
# its text on exactly the version before it, whoever writes the row.
SQL = """
CREATE FUNCTION governance_policy_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'versions of the policy are kept' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP = 'UPDATE' AND (OLD.version, OLD.text, OLD.document, OLD.digest, OLD.approval, OLD.made_by, OLD.made_at)
        IS DISTINCT FROM (NEW.version, NEW.text, NEW.document, NEW.digest, NEW.approval, NEW.made_by, NEW.made_at)
    THEN
        RAISE EXCEPTION 'a version of the policy cannot be changed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NEW.active AND (TG_OP = 'INSERT' OR NOT OLD.active)
        AND (NEW.version > 1 OR EXISTS (SELECT FROM governance_policy WHERE version <> NEW.version))
        AND NOT EXISTS (
            SELECT FROM governance_approval a
            WHERE a.id = NEW.approval AND a.kind = 'policy_change' AND a.state = 'approved'
              AND a.binding->>'text_digest' = NEW.digest
              AND a.binding->>'base_version' = (NEW.version - 1)::text
              AND NEW.digest = encode(sha256(convert_to(NEW.text, 'UTF8')), 'hex')
        )
    THEN
        RAISE EXCEPTION 'a policy comes into force by an approval of exactly its text' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION governance_assessment_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.agreed IS NOT NULL OR
        (OLD.effect, OLD.subject, OLD.key, OLD.agent, OLD.run, OLD.components, OLD.formula, OLD.score, OLD.threshold,
         OLD.reasons, OLD.policy_version, OLD.made_at)
        IS DISTINCT FROM
        (NEW.effect, NEW.subject, NEW.key, NEW.agent, NEW.run, NEW.components, NEW.formula, NEW.score, NEW.threshold,
         NEW.reasons, NEW.policy_version, NEW.made_at)
    THEN
        RAISE EXCEPTION 'an assessment cannot be changed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER assessment_stays BEFORE UPDATE OR DELETE ON governance_assessment
    FOR EACH ROW EXECUTE FUNCTION governance_assessment_stays();
CREATE TRIGGER policy_stays BEFORE INSERT OR UPDATE OR DELETE ON governance_policy
    FOR EACH ROW EXECUTE FUNCTION governance_policy_stays();
"""

BACK = """
DROP TRIGGER policy_stays ON governance_policy;
DROP FUNCTION governance_policy_stays();
DROP TRIGGER assessment_stays ON governance_assessment;
DROP FUNCTION governance_assessment_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0006_one_owner_per_cost")]

    operations = [
        migrations.AddField(
            model_name="policy",
            name="approval",
            field=models.PositiveBigIntegerField(null=True, unique=True),
        ),
        migrations.CreateModel(
            name="PolicyDraft",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.TextField()),
                ("digest", models.CharField(max_length=64)),
                ("base_version", models.PositiveIntegerField()),
                ("reason", models.CharField(max_length=300)),
                (
                    "authors",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=160), size=None),
                ),
                ("asked_by", models.CharField(blank=True, max_length=160)),
                ("revision", models.PositiveIntegerField(default=1)),
                (
                    "state",
                    django_fsm.FSMField(
                        choices=[
                            ("draft", "Draft"),
                            ("asked", "Waits for approval"),
                            ("activated", "In force or was"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="draft",
                        max_length=12,
                        protected=True,
                    ),
                ),
                ("state_reason", models.CharField(blank=True, max_length=300)),
                ("activated_as", models.PositiveIntegerField(null=True, unique=True)),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("changed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["draft", "asked", "activated", "withdrawn"])),
                        name="policy_draft_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("activated_as__isnull", False), ("state", "activated")),
                            models.Q(
                                models.Q(("state", "activated"), _negated=True),
                                models.Q(("activated_as__isnull", True)),
                            ),
                            _connector="OR",
                        ),
                        name="policy_draft_activated_as",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Assessment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("effect", models.CharField(max_length=40)),
                ("subject", models.CharField(max_length=160)),
                ("key", models.CharField(max_length=80)),
                ("agent", models.CharField(max_length=160)),
                ("run", models.CharField(blank=True, max_length=120)),
                ("components", models.JSONField()),
                ("formula", models.PositiveSmallIntegerField()),
                ("score", models.DecimalField(decimal_places=4, max_digits=5)),
                ("threshold", models.DecimalField(decimal_places=4, max_digits=5)),
                ("halted", models.BooleanField()),
                ("reasons", models.JSONField(default=list)),
                ("policy_version", models.PositiveIntegerField()),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("agreed", models.BooleanField(null=True)),
                ("judged_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("effect", "subject", "key"), name="assessment_once"),
                    models.CheckConstraint(
                        condition=models.Q(("score__gte", 0), ("score__lte", 1), ("threshold__gte", 0)),
                        name="assessment_between_0_and_1",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("halted", True), ("score__lt", models.F("threshold"))),
                            models.Q(("halted", False), ("score__gte", models.F("threshold"))),
                            _connector="OR",
                        ),
                        name="assessment_halts_below",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("agreed__isnull", True), ("judged_at__isnull", True)),
                            models.Q(("agreed__isnull", False), ("judged_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="assessment_judged_with_time",
                    ),
                ],
            },
        ),
        migrations.RunSQL(SQL, BACK),
    ]
