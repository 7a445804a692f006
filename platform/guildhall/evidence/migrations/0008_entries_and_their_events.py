from pathlib import Path

from django.db import migrations

SQL = (Path(__file__).parent / "0008_entries_and_their_events.sql").read_text()


class Migration(migrations.Migration):
    """Back: the policy and the grants go; verification then needs the version before."""

    dependencies = [("evidence", "0007_erasures_by_actor")]
    operations = [
        migrations.RunSQL(
            SQL,
            "DROP POLICY sealer ON evidence.outbox_event; REVOKE SELECT (id, tenant, kind, subject, operation_id)"
            " ON evidence.outbox_event FROM guildhall_sealer",
        )
    ]
