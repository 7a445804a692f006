from django.db import migrations, models

KINDS = [
    ("mention", "Mentioned you"),
    ("comment", "Commented"),
    ("assigned", "Made you responsible"),
    ("moved", "Moved"),
    ("council", "A council ended"),
]


class Migration(migrations.Migration):
    """People are told when a council on a story that they follow ends."""

    dependencies = [
        ("workflows", "0008_search_deeper"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="notice", name="notice_kind_known"),
        migrations.AlterField(
            model_name="notice",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=10),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.CheckConstraint(
                condition=models.Q(kind__in=[name for name, _ in KINDS]), name="notice_kind_known"
            ),
        ),
    ]
