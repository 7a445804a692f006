import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """A line of the inbox may be about a strategy that has no story yet."""

    dependencies = [
        ("workflows", "0012_ci_limits"),
    ]

    operations = [
        migrations.AlterField(
            "notice",
            "story",
            models.ForeignKey(
                null=True,
                blank=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notices",
                to="workflows.story",
            ),
        ),
        migrations.AddField(
            "notice",
            "strategy",
            models.ForeignKey(
                null=True,
                blank=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notices",
                to="workflows.strategy",
            ),
        ),
        migrations.AddConstraint(
            "notice",
            models.CheckConstraint(
                name="notice_about_one",
                condition=Q(story__isnull=False, strategy__isnull=True)
                | Q(story__isnull=True, strategy__isnull=False, task__isnull=True, comment__isnull=True),
            ),
        ),
    ]
