import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

# One owner per cost, held by the database: an entry names exactly whom its reservation names, and a reservation cannot be
# given to somebody else. So every breakdown of the ledger has each cost once and adds up to the same total.
SQL = """
CREATE FUNCTION governance_entry_has_its_owner() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    same boolean;
BEGIN
    EXECUTE format('SELECT (owner, agent, cost_kind, project, strategy, story, task, run, api_key, model, provider,'
                   ' price_version, reserved_at) IS NOT DISTINCT FROM ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)'
                   ' FROM %I.governance_reservation WHERE id = $1', TG_TABLE_SCHEMA)
        INTO same USING NEW.reservation_id, NEW.owner, NEW.agent, NEW.cost_kind, NEW.project, NEW.strategy, NEW.story,
            NEW.task, NEW.run, NEW.api_key, NEW.model, NEW.provider, NEW.price_version, NEW.counted_at;
    IF same IS NOT TRUE THEN
        RAISE EXCEPTION 'an entry belongs to whom its reservation names' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER has_its_owner AFTER INSERT ON governance_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION governance_entry_has_its_owner();

CREATE FUNCTION governance_reservation_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.key, OLD.amount, OLD.owner, OLD.agent, OLD.cost_kind, OLD.project, OLD.strategy, OLD.story, OLD.task,
        OLD.run, OLD.api_key, OLD.model, OLD.provider, OLD.price_version, OLD.reserved_at)
       IS DISTINCT FROM
       (NEW.id, NEW.key, NEW.amount, NEW.owner, NEW.agent, NEW.cost_kind, NEW.project, NEW.strategy, NEW.story, NEW.task,
        NEW.run, NEW.api_key, NEW.model, NEW.provider, NEW.price_version, NEW.reserved_at)
    THEN
        RAISE EXCEPTION 'what was reserved, and for whom, cannot be changed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER reservation_stays BEFORE UPDATE ON governance_reservation
    FOR EACH ROW EXECUTE FUNCTION governance_reservation_stays();
CREATE TRIGGER never_deleted BEFORE DELETE ON governance_reservation
    FOR EACH ROW EXECUTE FUNCTION governance_append_only();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON governance_reconciliation
    FOR EACH ROW EXECUTE FUNCTION governance_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON governance_difference
    FOR EACH ROW EXECUTE FUNCTION governance_append_only();
COMMENT ON TABLE governance_reconciliation IS 'append-only';
COMMENT ON TABLE governance_difference IS 'append-only';
"""

BACK = """
DROP TRIGGER append_only ON governance_difference;
DROP TRIGGER append_only ON governance_reconciliation;
DROP TRIGGER never_deleted ON governance_reservation;
DROP TRIGGER reservation_stays ON governance_reservation;
DROP FUNCTION governance_reservation_stays();
DROP TRIGGER has_its_owner ON governance_ledgerentry;
DROP FUNCTION governance_entry_has_its_owner();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("governance", "0005_what_a_hold_stopped"),
    ]

    operations = [
        migrations.CreateModel(
            name="Difference",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("amount", "Counted otherwise"),
                            ("uncharged", "Not charged"),
                            ("unknown", "Not known to the provider"),
                        ],
                        max_length=10,
                    ),
                ),
                ("reservation", models.UUIDField()),
                ("key", models.CharField(max_length=200)),
                ("owner", models.CharField(max_length=160)),
                ("model", models.CharField(max_length=160)),
                ("ledger_cost", models.DecimalField(decimal_places=10, max_digits=20)),
                ("provider_cost", models.DecimalField(decimal_places=10, max_digits=20)),
                ("tokens_in", models.PositiveBigIntegerField(default=0)),
                ("tokens_out", models.PositiveBigIntegerField(default=0)),
                ("tokens_cached", models.PositiveBigIntegerField(default=0)),
                ("corrected", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=60)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("calls", models.PositiveIntegerField(default=0)),
                ("ledger_cost", models.DecimalField(decimal_places=10, default=0, max_digits=20)),
                ("provider_cost", models.DecimalField(decimal_places=10, default=0, max_digits=20)),
                ("corrected", models.PositiveIntegerField(default=0)),
                ("problem", models.CharField(blank=True, max_length=300)),
                ("made_by", models.CharField(max_length=160)),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="reservation",
            name="reservation_positive",
        ),
        migrations.AddField(
            model_name="ledgerentry",
            name="agent",
            field=models.CharField(blank=True, db_default="", max_length=160),
        ),
        migrations.AddField(
            model_name="ledgerentry",
            name="cost_kind",
            field=models.CharField(
                choices=[("model", "Model calls"), ("compute", "Compute time"), ("storage", "Storage")],
                db_default="model",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="ledgerentry",
            name="provider",
            field=models.CharField(blank=True, db_default="", max_length=60),
        ),
        migrations.AddField(
            model_name="ledgerentry",
            name="quantity",
            field=models.DecimalField(db_default=0, decimal_places=6, max_digits=20),
        ),
        migrations.AddField(
            model_name="ledgerentry",
            name="unit_price",
            field=models.DecimalField(db_default=0, decimal_places=10, max_digits=20),
        ),
        migrations.AddField(
            model_name="reservation",
            name="agent",
            field=models.CharField(blank=True, db_default="", max_length=160),
        ),
        migrations.AddField(
            model_name="reservation",
            name="cost_kind",
            field=models.CharField(
                choices=[("model", "Model calls"), ("compute", "Compute time"), ("storage", "Storage")],
                db_default="model",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="reservation",
            name="noted_in",
            field=models.PositiveBigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="reservation",
            name="noted_out",
            field=models.PositiveBigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="reservation",
            name="price_cached",
            field=models.DecimalField(decimal_places=10, max_digits=20, null=True),
        ),
        migrations.AddField(
            model_name="reservation",
            name="price_in",
            field=models.DecimalField(decimal_places=10, max_digits=20, null=True),
        ),
        migrations.AddField(
            model_name="reservation",
            name="price_out",
            field=models.DecimalField(decimal_places=10, max_digits=20, null=True),
        ),
        migrations.AddField(
            model_name="reservation",
            name="provider",
            field=models.CharField(blank=True, db_default="", max_length=60),
        ),
        migrations.AddField(
            model_name="reservation",
            name="provisional",
            field=models.BooleanField(db_default=False),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("cost_kind__in", ["model", "compute", "storage"])), name="ledger_cost_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "reserve"), ("reserved_delta__gt", 0), ("spent_delta", 0)),
                    models.Q(("kind", "commit"), ("reserved_delta__lte", 0), ("spent_delta__gte", 0)),
                    models.Q(("kind", "release"), ("reserved_delta__lt", 0), ("spent_delta", 0)),
                    models.Q(("kind", "adjust"), ("reserved_delta", 0)),
                    _connector="OR",
                ),
                name="ledger_kind_moves",
            ),
        ),
        *(
            migrations.AlterField(model_name="ledgerentry", name=name, field=models.BigIntegerField(db_default=0))
            for name in ("tokens_in", "tokens_out", "tokens_cached")
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind", "adjust"),
                    models.Q(
                        ("tokens_cached__gte", 0), ("tokens_in__gte", models.F("tokens_cached")), ("tokens_out__gte", 0)
                    ),
                    _connector="OR",
                ),
                name="ledger_tokens_sane",
            ),
        ),
        migrations.AddConstraint(
            model_name="reservation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gt", 0),
                    models.Q(("amount", 0), models.Q(("cost_kind", "model"), _negated=True)),
                    _connector="OR",
                ),
                name="reservation_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="reservation",
            constraint=models.CheckConstraint(
                condition=models.Q(("cost_kind__in", ["model", "compute", "storage"])), name="reservation_cost_kind"
            ),
        ),
        migrations.AddConstraint(
            model_name="reconciliation",
            constraint=models.CheckConstraint(
                condition=models.Q(("until__gt", models.F("since"))), name="reconciliation_forward"
            ),
        ),
        migrations.AddField(
            model_name="difference",
            name="reconciliation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="differences", to="governance.reconciliation"
            ),
        ),
        migrations.AddConstraint(
            model_name="difference",
            constraint=models.UniqueConstraint(fields=("reconciliation", "reservation"), name="difference_once"),
        ),
        migrations.AddConstraint(
            model_name="difference",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["amount", "uncharged", "unknown"])), name="difference_kind_known"
            ),
        ),
        migrations.RunSQL(SQL, BACK),
    ]
