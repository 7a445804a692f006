"""A change request has a description: what its agent says of it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gpu_workers", "0013_project_migrators")]

    operations = [
        migrations.AddField(
            model_name="changerequest",
            name="description",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
    ]
