"""What a login that applies migrations may be: an owner of its own things, and nothing beyond its database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

BEYOND = (
    "pg_read_file",
    "pg_read_binary_file",
    "pg_ls_dir",
    "pg_stat_file",
    "lo_import",
    "lo_export",
    "pg_file_write",
    "pg_reload_conf",
)
"""Functions of PostgreSQL that reach its server, and are nobody's unless somebody gave them."""
FAULTS = """
WITH mine AS (SELECT * FROM pg_catalog.pg_roles WHERE rolname = current_user),
spaces AS (
  SELECT oid, nspname FROM pg_catalog.pg_namespace
  WHERE nspname <> 'information_schema' AND nspname !~ '^pg_')
SELECT 'is a superuser' FROM mine WHERE rolsuper
UNION ALL SELECT 'may make roles' FROM mine WHERE rolcreaterole
UNION ALL SELECT 'may make databases' FROM mine WHERE rolcreatedb
UNION ALL SELECT 'may replicate the server' FROM mine WHERE rolreplication
UNION ALL SELECT 'passes by row level security' FROM mine WHERE rolbypassrls
UNION ALL SELECT 'is a member of ' || r.rolname FROM pg_catalog.pg_roles r, mine
  WHERE NOT mine.rolsuper AND r.oid <> mine.oid AND pg_has_role(mine.oid, r.oid, 'MEMBER')
  AND (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
    OR (r.rolname ~ '^pg_' AND r.rolname <> 'pg_database_owner'))
UNION ALL SELECT 'may call ' || p.proname FROM pg_catalog.pg_proc p, mine
  WHERE NOT mine.rolsuper AND p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY (%(beyond)s)
  AND has_function_privilege(p.oid, 'EXECUTE')
UNION ALL SELECT 'may call ' || nspname || '.' || proname || ', which acts as a superuser'
  FROM pg_catalog.pg_proc p JOIN spaces ON spaces.oid = p.pronamespace
  JOIN pg_catalog.pg_roles o ON o.oid = p.proowner
  WHERE prosecdef AND o.rolsuper AND has_function_privilege(p.oid, 'EXECUTE')
UNION ALL SELECT 'may call ' || nspname || '.' || proname || ', which reaches other servers' FROM pg_catalog.pg_proc p
  JOIN spaces ON spaces.oid = p.pronamespace
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
  WHERE e.extname = 'dblink' AND p.proname ~ '^dblink(_connect)?$' AND has_function_privilege(p.oid, 'EXECUTE')
UNION ALL SELECT 'may call ' || nspname || '.' || proname || ', which is written in ' || lanname FROM pg_catalog.pg_proc p
  JOIN spaces ON spaces.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang, mine
  WHERE NOT mine.rolsuper AND NOT lanpltrusted AND lanname NOT IN ('internal', 'c')
  AND has_function_privilege(p.oid, 'EXECUTE')
UNION ALL SELECT 'may make servers with ' || fdwname FROM pg_catalog.pg_foreign_data_wrapper w, mine
  WHERE NOT mine.rolsuper AND has_foreign_data_wrapper_privilege(w.oid, 'USAGE')
UNION ALL SELECT 'may use the server ' || srvname FROM pg_catalog.pg_foreign_server s, mine
  WHERE NOT mine.rolsuper AND has_server_privilege(s.oid, 'USAGE')
UNION ALL SELECT 'may make nothing in the schema ' || wanted FROM unnest(%(schemas)s::text[]) wanted
  WHERE NOT EXISTS (SELECT 1 FROM spaces WHERE nspname = wanted AND has_schema_privilege(oid, 'CREATE'))
UNION ALL SELECT 'leads to the database of this platform'
  WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'guildhall_platform')
  AND EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'tenants_tenant')
LIMIT 5
"""


async def login_faults(connection: psycopg.AsyncConnection[Any], schemas: Sequence[str]) -> list[str]:
    """What keeps this login from applying migrations in these schemas, in words; nothing where it is fit."""
    rows = await connection.execute(FAULTS, {"schemas": list(schemas), "beyond": list(BEYOND)})
    return [str(row[0]) for row in await rows.fetchall()]
