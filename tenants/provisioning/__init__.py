"""Making tenant schemas: the template, its replay, roles and grants. Runs as the database's owner."""

from tenants.provisioning.schema import drop_schema, make_schema
from tenants.provisioning.template import migration_digest, refresh_template

__all__ = ["drop_schema", "make_schema", "migration_digest", "refresh_template"]
