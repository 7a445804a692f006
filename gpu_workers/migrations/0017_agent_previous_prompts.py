from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gpu_workers", "0016_proposal_shown"),
    ]

    operations = [
        migrations.AddField(
            "agent", "previous_prompts", models.CharField(max_length=20, blank=True, default="", db_default="")
        ),
    ]
