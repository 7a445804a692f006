from django.db import migrations, models

# What the bare application login may ask about a host now says the plan too; its columns can only be changed by making it anew.
LOOK_UP = """
DROP FUNCTION tenant_of_host(text);
CREATE FUNCTION tenant_of_host(host text)
    RETURNS TABLE (id bigint, schema_name text, slug text, name text, status text, status_reason text, plan text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT t.id, t.schema_name::text, t.slug::text, t.name::text, t.status::text, t.status_reason::text, t.plan::text
    FROM public.tenants_domain d JOIN public.tenants_tenant t ON t.id = d.tenant_id WHERE d.domain = host
$$;
REVOKE ALL ON FUNCTION tenant_of_host(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_of_host(text) TO guildhall_app;
"""
PLANS = [("small", "Small"), ("standard", "Standard"), ("large", "Large")]


class Migration(migrations.Migration):
    dependencies = [("tenants", "0005_oversight")]
    operations = [
        migrations.AddField(
            "tenant",
            "plan",
            models.CharField(choices=PLANS, db_default="standard", default="standard", max_length=16),
        ),
        migrations.AddConstraint(
            "tenant",
            models.CheckConstraint(
                condition=models.Q(("plan__in", [name for name, _ in PLANS])), name="tenant_plan_known"
            ),
        ),
        migrations.RunSQL(LOOK_UP, migrations.RunSQL.noop),
    ]
