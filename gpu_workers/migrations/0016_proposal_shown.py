from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gpu_workers", "0015_remarks_mended"),
    ]

    operations = [
        migrations.AddField(
            "proposal", "shown", models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
        ),
    ]
