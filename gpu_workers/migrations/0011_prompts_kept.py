from django.db import migrations, models

# Runs from before keep the version that their agent has; what its words were then is not known.
KEPT = "UPDATE gpu_workers_run SET prompt_version = made.prompt_version FROM gpu_workers_agent made WHERE made.id = agent_id"


class Migration(migrations.Migration):
    dependencies = [
        ("gpu_workers", "0010_hand_ins_end"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="prompt_version",
            field=models.CharField(default="v1", max_length=20),
        ),
        migrations.AddField(
            model_name="run",
            name="prompt_sha256",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.RunSQL(KEPT, migrations.RunSQL.noop),
    ]
