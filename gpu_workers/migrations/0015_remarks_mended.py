from django.db import migrations, models

# Those of before that a run of the task began after may have been read: they stay as they are.
READ = """
UPDATE gpu_workers_changeremark said SET read_by = (
    SELECT min(run.number) FROM gpu_workers_run run JOIN gpu_workers_runstep step ON step.run_id = run.id
    WHERE run.subject = 'task:' || change.task AND step.key = 'remarks' AND step.finished_at > said.created_at)
FROM gpu_workers_changerequest change WHERE change.id = said.change_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("gpu_workers", "0014_change_description"),
    ]

    operations = [
        migrations.AddField("changeremark", "version", models.PositiveIntegerField(db_default=1, default=1)),
        migrations.AddField("changeremark", "edited_at", models.DateTimeField(null=True)),
        migrations.AddField("changeremark", "read_by", models.PositiveIntegerField(null=True)),
        migrations.RunSQL(READ, migrations.RunSQL.noop),
    ]
