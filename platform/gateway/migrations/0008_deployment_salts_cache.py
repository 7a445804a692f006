from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gateway", "0007_deployment_slots")]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="salts_cache",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Takes cache_salt with a call, as vLLM does: organisations then share no cache of prompts there.",
            ),
        ),
    ]
