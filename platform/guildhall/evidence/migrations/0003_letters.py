from pathlib import Path

from django.db import migrations, models

SQL = (Path(__file__).parent / "0003_letters.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("evidence", "0002_model_state")]
    operations = [
        migrations.RunSQL(
            SQL,
            "DROP FUNCTION evidence.stream_health(); ALTER TABLE evidence.dead_letter DROP COLUMN dismissed_at",
            state_operations=[
                migrations.AddField("DeadLetter", "dismissed_at", models.DateTimeField(null=True)),
            ],
        )
    ]
