from django.db import migrations, models


class Migration(migrations.Migration):
    """A project says what CI of its repositories may take; nothing is the installation's."""

    dependencies = [
        ("workflows", "0011_search_evidence"),
    ]

    operations = [
        migrations.AddField(
            "projectrepository",
            "ci_limits",
            models.JSONField(blank=True, default=dict, db_default=models.Value({}, models.JSONField())),
        ),
    ]
