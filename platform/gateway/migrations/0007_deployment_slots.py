from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gateway", "0006_what_a_hold_stopped")]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="slots",
            field=models.PositiveSmallIntegerField(
                default=0,
                help_text="How many calls it works at at once; more wait in line, before any money is set aside. 0: as many as come.",
            ),
        ),
        migrations.AlterField(
            model_name="deployment",
            name="timeout_s",
            field=models.PositiveIntegerField(
                default=120,
                help_text="How many seconds it may say nothing while it has a call; then it counts as away.",
            ),
        ),
    ]
