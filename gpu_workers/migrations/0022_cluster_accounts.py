import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gpu_workers", "0021_run_step_tries"),
    ]

    operations = [
        migrations.AddField(
            model_name="projectcluster",
            name="accounts",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=253), default=list, size=None
            ),
        ),
    ]
