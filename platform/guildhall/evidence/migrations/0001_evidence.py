from pathlib import Path

from django.db import migrations

SQL = (Path(__file__).parent / "0001_evidence.sql").read_text()


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.RunSQL(SQL, "DROP SCHEMA evidence CASCADE")]
