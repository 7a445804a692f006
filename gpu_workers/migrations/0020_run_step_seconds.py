from django.db import migrations, models
from django.db.models import F
from django.db.models.functions import Extract


def know_the_old_ones(apps, schema_editor):
    """Of steps that are finished nothing better is known than when they began and ended."""
    steps = apps.get_model("gpu_workers", "RunStep").objects.filter(finished_at__isnull=False)
    steps.update(seconds=Extract(F("finished_at") - F("started_at"), "epoch"))


class Migration(migrations.Migration):
    dependencies = [
        ("gpu_workers", "0019_cluster_kinds"),
    ]

    operations = [
        migrations.AddField(
            "runstep",
            "seconds",
            models.DecimalField(
                max_digits=14,
                decimal_places=6,
                null=True,
                help_text="How long the worker that finished it was at it. What lies between two tries at a step is nobody's work.",
            ),
        ),
        migrations.RunPython(know_the_old_ones, migrations.RunPython.noop),
    ]
