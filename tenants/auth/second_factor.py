"""Time-based codes (RFC 6238) and recovery codes, on tables that only sign-in and the account's own actions may touch."""

import base64
import hashlib
import hmac
import re
import secrets

import segno
from django.db import transaction
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from guildhall.kernel.errors import RateLimited, Unauthenticated
from guildhall.kernel.tenancy import identity_scope
from tenants.auth.derive import derived_key
from tenants.models import User

RECOVERY_CODES = 10
TIME_CODE = re.compile(r"[0-9]{6}\Z")
NAME = "Authenticator app"


def is_enrolled(user_id: int) -> bool:
    """Whether this person's sign-in needs a second factor."""
    with identity_scope():
        return bool(TOTPDevice.objects.filter(user_id=user_id, confirmed=True).exists())


def codes_left(user_id: int) -> int:
    """How many recovery codes have not been used."""
    with identity_scope():
        return int(StaticToken.objects.filter(device__user_id=user_id).count())


def verify(user_id: int, code: str) -> str:
    """Use up a code; returns `totp` or `recovery`.

    The device is locked while it is asked, so one code never opens two doors. Raises `Unauthenticated` for a wrong or
    used code and `RateLimited` while too many wrong ones make this person wait.
    """
    given = re.sub(r"[\s-]", "", code).lower()
    kind = "totp" if TIME_CODE.match(given) else "recovery"
    model, token = (TOTPDevice, given) if kind == "totp" else (StaticDevice, stored_code(user_id, given))
    with identity_scope(), transaction.atomic():
        device = model.objects.select_for_update().filter(user_id=user_id, confirmed=True).first()
        allowed = device is None or device.verify_is_allowed()[0]
        good = bool(device is not None and allowed and device.verify_token(token))
    if not allowed:
        raise RateLimited("Too many wrong codes; wait a moment and try again.", retry_after=30)
    if not good:
        raise Unauthenticated("This code is not right or was used already.", second_factor="required")
    return kind


def begin_enrolment(user_id: int) -> TOTPDevice:
    """The device to be confirmed by a first code; the same one until then."""
    with identity_scope():
        device, _ = TOTPDevice.objects.get_or_create(user_id=user_id, confirmed=False, defaults={"name": NAME})
        return device


def pending_enrolment(user_id: int) -> TOTPDevice | None:
    """The device that waits for its first code, if enrolment was begun."""
    with identity_scope():
        found: TOTPDevice | None = TOTPDevice.objects.filter(user_id=user_id, confirmed=False).first()
        return found


def secret_of(device: TOTPDevice) -> str:
    """The device's secret as people type it: base32 in groups of four."""
    text = base64.b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def qr_code(device: TOTPDevice) -> str:
    """The enrolment address as a QR code, a data: URI of an SVG image."""
    with identity_scope():
        device.user = User.objects.get(pk=device.user_id)
        address = device.config_url
    return str(segno.make(address, error="m").svg_data_uri(scale=5, border=2, light="#fff"))


def make_codes(user_id: int) -> list[str]:
    """Replace a person's recovery codes, inside the action that records it. Shown once, stored keyed and hashed."""
    StaticDevice.objects.filter(user_id=user_id).delete()
    device = StaticDevice.objects.create(user_id=user_id, name="Recovery codes", confirmed=True)
    codes = [base64.b32encode(secrets.token_bytes(10)).decode().lower()[:12] for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create([StaticToken(device=device, token=stored_code(user_id, code)) for code in codes])
    return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes]


def stored_code(user_id: int, code: str) -> str:
    """What the table holds of a recovery code: 80 bits of a keyed digest, base32 (16 characters)."""
    mac = hmac.new(derived_key("recovery-codes"), f"{user_id}:{code}".encode(), hashlib.sha256)
    return base64.b32encode(mac.digest()[:10]).decode().lower()
