from django.db import migrations, models

KINDS = ["run_succeeded", "run_failed", "cost_overrun", "violation", "change_reverted", "escalated", "tests_passed",
         "tests_failed", "adjusted", "decay"]  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("governance", "0003_release_controls")]
    operations = [
        migrations.RemoveConstraint(model_name="reputationevent", name="reputation_kind_known"),
        migrations.AlterField(
            model_name="reputationevent",
            name="kind",
            field=models.CharField(choices=[(kind, kind.title()) for kind in KINDS], max_length=20),
        ),
        migrations.AddConstraint(
            model_name="reputationevent",
            constraint=models.CheckConstraint(condition=models.Q(kind__in=KINDS), name="reputation_kind_known"),
        ),
    ]
