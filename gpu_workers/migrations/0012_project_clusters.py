import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gpu_workers", "0011_prompts_kept"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProjectCluster",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("project", models.CharField(max_length=12, unique=True)),
                ("api_url", models.CharField(max_length=200)),
                ("namespace", models.CharField(max_length=63)),
                ("ca", models.TextField()),
                ("token", models.TextField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["project"],
            },
        ),
    ]
