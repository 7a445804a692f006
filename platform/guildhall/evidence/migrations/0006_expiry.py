from pathlib import Path

import django.db.models.functions.datetime
from django.db import migrations, models

SQL = (Path(__file__).parent / "0006_expiry.sql").read_text()


class Migration(migrations.Migration):
    """No way back: without the record of what has expired, a chain whose beginning is gone is broken."""

    dependencies = [("evidence", "0005_own_queue")]
    operations = [
        migrations.RunSQL(
            SQL,
            state_operations=[
                migrations.CreateModel(
                    name="AuditExpiry",
                    fields=[
                        ("tenant", models.CharField(max_length=63)),
                        ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("period", models.DateField()),
                        ("entries", models.BigIntegerField()),
                        ("root", models.BinaryField()),
                        ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                    ],
                    options={"db_table": "audit_expired", "managed": False},
                ),
            ],
        )
    ]
