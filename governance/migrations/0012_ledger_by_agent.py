from django.db import migrations, models


class Migration(migrations.Migration):
    """What an agent has spent is found without looking at everybody's lines."""

    dependencies = [
        ("governance", "0011_agent_scope"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(
                condition=models.Q(("agent", ""), _negated=True),
                fields=["agent", "counted_at"],
                name="ledger_agent",
            ),
        ),
    ]
