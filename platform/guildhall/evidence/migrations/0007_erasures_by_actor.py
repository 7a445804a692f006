from pathlib import Path

from django.db import migrations

SQL = (Path(__file__).parent / "0007_erasures_by_actor.sql").read_text()


class Migration(migrations.Migration):
    """No way back: what stood before let everything be erased."""

    dependencies = [("evidence", "0006_expiry")]
    operations = [migrations.RunSQL(SQL)]
