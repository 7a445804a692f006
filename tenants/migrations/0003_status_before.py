from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_isolation")]
    operations = [
        migrations.AddField(
            "tenant",
            "status_before",
            models.CharField(
                blank=True, db_default="", help_text="What a quarantined one goes back to.", max_length=16
            ),
        ),
    ]
