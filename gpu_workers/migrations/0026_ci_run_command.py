from django.db import migrations, models


class Migration(migrations.Migration):
    """An answer of CI belongs to a commit and a command: one for each of a repository's commits, purposes and commands.

    The index is made anew over the rows of one tenant at a time. What a process of the version before inserts has no command,
    and is one for each commit and purpose as before.
    """

    dependencies = [
        ("gpu_workers", "0025_inserts_of_before"),
    ]

    operations = [
        migrations.AddField(
            model_name="cirun",
            name="command_sha256",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.RemoveConstraint(
            model_name="cirun",
            name="ci_run_once",
        ),
        migrations.AddConstraint(
            model_name="cirun",
            constraint=models.UniqueConstraint(
                fields=("repository", "sha", "purpose", "command_sha256"), name="ci_run_once"
            ),
        ),
    ]
