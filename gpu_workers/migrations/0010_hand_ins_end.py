from django.db import migrations, models
from django_fsm import FSMField

STATES = [
    ("waiting", "In work"),
    ("green", "CI is green"),
    ("red", "CI is red"),
    ("refused", "Refused"),
    ("withdrawn", "Withdrawn"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("gpu_workers", "0009_change_remarks"),
    ]

    operations = [
        migrations.AddField("handin", "tries", models.PositiveSmallIntegerField(db_default=0)),
        migrations.AddField("handin", "waiting_since", models.DateTimeField(null=True)),
        migrations.AddField("handin", "opened", models.CharField(blank=True, db_default="", max_length=32)),
        migrations.AlterField(
            "handin", "state", FSMField(choices=STATES, default="waiting", max_length=10, protected=True)
        ),
        migrations.RemoveConstraint("handin", "hand_in_state_known"),
        migrations.AddConstraint(
            "handin",
            models.CheckConstraint(
                condition=models.Q(("state__in", [state for state, _ in STATES])), name="hand_in_state_known"
            ),
        ),
    ]
