from django.db import migrations

GRANTS = """
GRANT SELECT ON gateway_deployment, gateway_route, gateway_price TO guildhall_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway_deployment, gateway_route TO guildhall_platform;
GRANT SELECT, INSERT ON gateway_price TO guildhall_platform;
GRANT USAGE ON SEQUENCE gateway_deployment_id_seq, gateway_route_id_seq, gateway_price_id_seq TO guildhall_platform;
"""


class Migration(migrations.Migration):
    dependencies = [("gateway", "0001_initial")]
    operations = [migrations.RunSQL(GRANTS, migrations.RunSQL.noop)]
