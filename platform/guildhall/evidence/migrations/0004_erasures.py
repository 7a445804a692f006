from pathlib import Path

import django.db.models.functions.datetime
from django.db import migrations, models

SQL = (Path(__file__).parent / "0004_erasures.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("evidence", "0003_letters")]
    operations = [
        migrations.RunSQL(
            SQL,
            "DROP POLICY sealer_erases ON evidence.audit_payload; DROP TRIGGER audit_payload_kept ON evidence.audit_payload;"
            "DROP TABLE evidence.audit_erasure; DROP INDEX evidence.audit_entry_newest, evidence.audit_entry_actor,"
            " evidence.audit_entry_kind, evidence.audit_entry_at; REVOKE DELETE ON evidence.audit_payload FROM guildhall_sealer",
            state_operations=[
                migrations.CreateModel(
                    name="AuditErasure",
                    fields=[
                        ("entry_id", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("tenant", models.CharField(max_length=63)),
                        ("asked_by", models.BigIntegerField()),
                        ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("done_at", models.DateTimeField(null=True)),
                    ],
                    options={"db_table": "audit_erasure", "managed": False},
                ),
            ],
        )
    ]
