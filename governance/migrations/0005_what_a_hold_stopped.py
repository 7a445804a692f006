from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("governance", "0004_decay")]
    operations = [migrations.AddField("Hold", "stopped", models.JSONField(default=list))]
