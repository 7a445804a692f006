from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0003_platform_hold"),
    ]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="usage_url",
            field=models.URLField(
                blank=True,
                default="",
                help_text="Where the provider tells its own usage by request, for the comparison with the ledger; empty when nowhere.",
                max_length=300,
            ),
        ),
    ]
