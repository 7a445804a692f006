from django.db import migrations, models


class Migration(migrations.Migration):
    """Stories have a place inside their epic."""

    dependencies = [
        ("workflows", "0006_many_stories"),
    ]

    operations = [
        migrations.AddField(
            model_name="story",
            name="epic_rank",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddIndex(
            model_name="story",
            index=models.Index(
                condition=models.Q(("epic__isnull", False)), fields=["epic", "epic_rank", "id"], name="story_in_epic"
            ),
        ),
    ]
