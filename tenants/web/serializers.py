"""What the identity API takes and gives."""

from typing import Any

from rest_framework import serializers

from tenants.models import ApiKey, Comember, Invitation, Session
from tenants.roles import ROLES, SCOPES


class TokenRequest(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)
    code = serializers.CharField(
        max_length=40, required=False, help_text="Six digits or a recovery code, when a second factor is set up."
    )


class RefreshRequest(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=200)


class ForgottenRequest(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)


class ResetRequest(serializers.Serializer[Any]):
    token = serializers.CharField(max_length=100)
    new = serializers.CharField(max_length=1000, trim_whitespace=False)


class TokenAnswer(serializers.Serializer[Any]):
    access = serializers.CharField()
    refresh = serializers.CharField()
    token_type = serializers.CharField(default="Bearer")
    expires_in = serializers.IntegerField(help_text="Seconds.")


class Me(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    client = serializers.CharField(allow_null=True)
    tenant = serializers.CharField(help_text="The organisation's short name.")
    tenant_name = serializers.CharField()
    via = serializers.CharField(help_text="session, token or api_key.")
    scopes = serializers.ListField(child=serializers.CharField(), allow_null=True)


class MemberAnswer(serializers.ModelSerializer[Comember]):
    id = serializers.CharField(source="public_id")

    class Meta:
        model = Comember
        fields = ("id", "name", "roles", "client")


class RolesRequest(serializers.Serializer[Any]):
    roles = serializers.ListField(child=serializers.ChoiceField(sorted(ROLES)), allow_empty=False, max_length=9)
    client = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)


class InvitationRequest(RolesRequest):
    email = serializers.EmailField(max_length=254)


class InvitationAnswer(serializers.ModelSerializer[Invitation]):
    class Meta:
        model = Invitation
        fields = ("id", "email", "roles", "client", "invited_by", "created_at", "expires_at")


class AcceptRequest(serializers.Serializer[Any]):
    token = serializers.CharField(max_length=100)
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)


class KeyRequest(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(child=serializers.ChoiceField(sorted(SCOPES)), allow_empty=False, max_length=5)
    days = serializers.IntegerField(min_value=1, max_value=366, default=90)


class KeyAnswer(serializers.ModelSerializer[ApiKey]):
    class Meta:
        model = ApiKey
        fields = ("id", "name", "prefix", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")


class NewKeyAnswer(KeyAnswer):
    """The only answer that ever holds the key itself."""

    key = serializers.CharField(read_only=True)

    class Meta(KeyAnswer.Meta):
        fields = (*KeyAnswer.Meta.fields, "key")  # type: ignore[assignment]


class SessionAnswer(serializers.ModelSerializer[Session]):
    id = serializers.CharField(source="pk")

    class Meta:
        model = Session
        fields = ("id", "address", "agent", "created_at", "expire_date")
