from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gateway", "0004_deployment_usage_url")]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="supports_logprobs",
            field=models.BooleanField(
                default=False, help_text="Tells how sure it is of each token; agents' confidence counts it."
            ),
        ),
    ]
