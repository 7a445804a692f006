"""A project's repositories are rows of their own: what the migration before copied goes from the project."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("workflows", "0002_planning")]

    operations = [
        migrations.RemoveField(model_name="project", name="ci_command"),
        migrations.RemoveField(model_name="project", name="default_branch"),
        migrations.RemoveField(model_name="project", name="repository"),
    ]
