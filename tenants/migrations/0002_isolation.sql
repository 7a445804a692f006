-- Who may read and write the shared tables. Policies compare with the database role, which is the tenant.

ALTER TABLE tenants_membership ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_domain ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_apikey ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_refreshtoken ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_invitation ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_session ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON tenants_membership TO guildhall_tenant USING (tenant = current_user) WITH CHECK (tenant = current_user);
CREATE POLICY own ON tenants_apikey TO guildhall_tenant USING (tenant = current_user) WITH CHECK (tenant = current_user);
CREATE POLICY own ON tenants_refreshtoken TO guildhall_tenant USING (tenant = current_user) WITH CHECK (tenant = current_user);
CREATE POLICY own ON tenants_invitation TO guildhall_tenant USING (tenant = current_user) WITH CHECK (tenant = current_user);
CREATE POLICY own ON tenants_tenant FOR SELECT TO guildhall_tenant USING (schema_name = current_user);
CREATE POLICY own ON tenants_domain FOR SELECT TO guildhall_tenant
    USING (tenant_id IN (SELECT id FROM tenants_tenant WHERE schema_name = current_user));
CREATE POLICY own ON tenants_session USING (tenant = current_user) WITH CHECK (tenant = current_user);

CREATE POLICY every ON tenants_membership TO guildhall_identity, guildhall_platform USING (true) WITH CHECK (true);
CREATE POLICY every ON tenants_domain TO guildhall_identity, guildhall_platform USING (true) WITH CHECK (true);
CREATE POLICY every ON tenants_tenant TO guildhall_identity, guildhall_platform USING (true) WITH CHECK (true);
CREATE POLICY every ON tenants_apikey TO guildhall_platform USING (true) WITH CHECK (true);
CREATE POLICY every ON tenants_refreshtoken TO guildhall_platform USING (true) WITH CHECK (true);
CREATE POLICY every ON tenants_invitation TO guildhall_identity USING (true) WITH CHECK (true);
CREATE POLICY every ON tenants_session TO guildhall_identity USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON tenants_membership, tenants_apikey, tenants_refreshtoken, tenants_invitation
    TO guildhall_tenant;
GRANT SELECT ON tenants_tenant, tenants_domain TO guildhall_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenants_session TO guildhall_tenant, guildhall_platform, guildhall_identity;
GRANT SELECT ON tenants_tenant, tenants_domain, tenants_membership TO guildhall_identity;
GRANT SELECT, INSERT, UPDATE ON tenants_user TO guildhall_identity, guildhall_platform;
GRANT INSERT ON tenants_membership TO guildhall_identity;
GRANT SELECT, UPDATE ON tenants_invitation TO guildhall_identity;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenants_tenant, tenants_domain, tenants_membership TO guildhall_platform;
GRANT SELECT, UPDATE, DELETE ON tenants_apikey, tenants_refreshtoken TO guildhall_platform;

-- Second factors and lock-out: only sign-in and owners.
GRANT SELECT, INSERT, UPDATE, DELETE ON otp_totp_totpdevice, otp_static_staticdevice, otp_static_statictoken,
    axes_accessattempt, axes_accessfailurelog, axes_accesslog TO guildhall_identity, guildhall_platform;
GRANT SELECT, INSERT ON axes_accessattemptexpiration TO guildhall_identity, guildhall_platform;
GRANT UPDATE, DELETE ON axes_accessattemptexpiration TO guildhall_identity, guildhall_platform;
GRANT SELECT, INSERT, UPDATE, DELETE ON django_admin_log TO guildhall_platform;
GRANT SELECT ON django_content_type, auth_permission, auth_group, auth_group_permissions
    TO guildhall_platform, guildhall_identity;
GRANT SELECT ON django_content_type TO guildhall_tenant;

-- A tenant sees of users only its own members, by name. The view runs as its owner; `current_user` is the caller's role.
CREATE VIEW comember WITH (security_barrier) AS
    SELECT m.user_id, u.public_id, u.name, m.roles, m.client, m.tenant,
           t.status AS tenant_status, t.status_reason
    FROM tenants_membership m JOIN tenants_user u ON u.id = m.user_id JOIN tenants_tenant t ON t.schema_name = m.tenant
    WHERE m.tenant = current_user AND u.is_active;
GRANT SELECT ON comember TO guildhall_tenant;

-- The only thing the bare application login can ask: which tenant a host name leads to.
CREATE FUNCTION tenant_of_host(host text)
    RETURNS TABLE (id bigint, schema_name text, slug text, name text, status text, status_reason text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT t.id, t.schema_name::text, t.slug::text, t.name::text, t.status::text, t.status_reason::text
    FROM public.tenants_domain d JOIN public.tenants_tenant t ON t.id = d.tenant_id WHERE d.domain = host
$$;
REVOKE ALL ON FUNCTION tenant_of_host(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_of_host(text) TO guildhall_app;
GRANT SELECT ON tenants_schematemplate TO guildhall_platform;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO guildhall_platform, guildhall_identity, guildhall_tenant;
