from django.db import migrations

SQL = """
-- A tenant may have its own chain verified, what is not sealed yet included: read, never written.
CREATE POLICY own_read ON evidence.audit_unsealed FOR SELECT USING (tenant = current_user);
GRANT SELECT ON evidence.audit_unsealed TO guildhall_tenant, guildhall_platform;
"""
REVERSE = """
REVOKE SELECT ON evidence.audit_unsealed FROM guildhall_tenant, guildhall_platform;
DROP POLICY own_read ON evidence.audit_unsealed;
"""


class Migration(migrations.Migration):
    dependencies = [("evidence", "0004_erasures")]
    operations = [migrations.RunSQL(SQL, REVERSE)]
