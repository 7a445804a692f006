"""What tenancy costs a request: a full API endpoint against a bare DRF view with one query, in one process."""

from django.test import Client, override_settings

from bench.figures import measure, show
from bench.tenants import new_tenant
from guildhall.kernel.tenancy import identity_scope, tenant_scope
from tenants.models import Membership, User
from tenants.provisioning.provision import host_for

PASSWORD = "benchmarks only, of course"  # noqa: S105


def run(rounds: int) -> None:
    """Print both and their ratio in CPU time."""
    tenant = new_tenant()
    client = _signed_in(tenant.slug, tenant.schema_name)

    def full() -> None:
        answer = client.get("/api/v1/projects/")
        assert answer.status_code == 200, answer.content

    ours = measure("full endpoint: host, role, token, permission", full, rounds)
    with override_settings(MIDDLEWARE=[], ROOT_URLCONF="bench.bare"):
        alone = Client(HTTP_HOST="localhost")
        plain = measure("peer: bare DRF view, one query", lambda: alone.get("/bare/"), rounds)
    show("request overhead", ours, plain, wanted="read the CPU column")
    print(f"  {'CPU, full / bare':44} {ours.cpu_ms / plain.cpu_ms:9.2f}   wanted: at most 1.5\n")


def _signed_in(slug: str, schema: str) -> Client:
    email = f"bench@{slug}.example"
    with identity_scope():
        user = User.objects.create_user(email, "Bench", PASSWORD)
    with tenant_scope(schema):
        Membership.objects.create(tenant_id=schema, user_id=user.pk, roles=["developer"])
    client = Client(HTTP_HOST=host_for(slug))
    answer = client.post("/api/v1/auth/token/", {"email": email, "password": PASSWORD}, content_type="application/json")
    return Client(HTTP_HOST=host_for(slug), HTTP_AUTHORIZATION=f"Bearer {answer.json()['access']}")
