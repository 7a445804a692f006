from django.db import migrations, models


class Migration(migrations.Migration):
    """What lists of very many stories are sorted and searched by."""

    dependencies = [
        ("workflows", "0005_councils"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="story",
            index=models.Index(fields=["title", "id"], name="story_by_title"),
        ),
        migrations.AddIndex(
            model_name="story",
            index=models.Index(fields=["dor_score", "id"], name="story_by_score"),
        ),
        migrations.AddIndex(
            model_name="story",
            index=models.Index(fields=["reference"], name="story_by_reference", opclasses=["varchar_pattern_ops"]),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["-changed_at", "-id"], name="task_by_change"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["reference"], name="task_by_reference", opclasses=["varchar_pattern_ops"]),
        ),
    ]
