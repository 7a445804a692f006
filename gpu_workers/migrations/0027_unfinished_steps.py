from django.db import migrations, models


class Migration(migrations.Migration):
    """Steps that nobody has finished are few among very many, and looked for several times a minute."""

    dependencies = [
        ("gpu_workers", "0026_ci_run_command"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="runstep",
            index=models.Index(condition=models.Q(("finished_at", None)), fields=["run"], name="run_step_unfinished"),
        ),
    ]
