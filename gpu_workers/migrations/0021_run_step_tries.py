from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gpu_workers", "0020_run_step_seconds"),
    ]

    operations = [
        migrations.AddField("runstep", "tried_at", models.DateTimeField(null=True)),
        migrations.AlterField(
            "runstep",
            "seconds",
            models.DecimalField(
                max_digits=14,
                decimal_places=6,
                null=True,
                help_text="How long workers were at it, all tries together. What lies between two of them is nobody's work.",
            ),
        ),
    ]
