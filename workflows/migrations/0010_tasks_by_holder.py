from django.db import migrations, models


class Migration(migrations.Migration):
    """What one holds is found without looking at every task."""

    dependencies = [
        ("workflows", "0009_notices_of_councils"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("holder", ""), _negated=True),
                fields=["holder", "lease_until"],
                name="task_by_holder",
            ),
        ),
    ]
