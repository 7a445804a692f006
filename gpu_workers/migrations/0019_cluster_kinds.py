import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gpu_workers", "0018_errands"),
    ]

    operations = [
        migrations.AddField(
            model_name="projectcluster",
            name="kinds",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=164), default=list, size=None
            ),
        ),
    ]
