"""Turning the second factor on and off. Run in the platform's scope: the account is the platform's, not one tenant's."""

from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from tenants.auth.second_factor import make_codes
from tenants.events import RecoveryCodesRenewed, SecondFactorDisabled, SecondFactorEnabled, SecondFactorRead
from tenants.models import User


@governed("account.enable_second_factor", lock="user")
def enable_second_factor(*, actor: Actor, user: User, code: str) -> list[str]:
    """Confirm the device that enrolment began with its first code. Returns the recovery codes, shown once.

    Raises `Conflict` when enrolment was not begun and `Invalid` when the code is wrong.
    """
    device = TOTPDevice.objects.select_for_update().filter(user_id=user.pk, confirmed=False).first()
    if device is None:
        raise Conflict("Start setting up the second factor first.")
    if not device.verify_token(code.replace(" ", "")):
        raise Invalid(
            "The code was not accepted.",
            fields={"code": ["This is not the code that the app shows now. Check your device's clock."]},
        )
    TOTPDevice.objects.filter(user_id=user.pk, confirmed=True).delete()
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    codes = make_codes(user.pk)
    record(SecondFactorEnabled(subject=user.ref), actor=actor)
    return codes


@governed("account.disable_second_factor", lock="user")
def disable_second_factor(*, actor: Actor, user: User) -> None:
    """Remove devices and recovery codes. The caller has just verified one of them."""
    TOTPDevice.objects.filter(user_id=user.pk).delete()
    StaticDevice.objects.filter(user_id=user.pk).delete()
    record(SecondFactorDisabled(subject=user.ref), actor=actor)


@governed("account.renew_recovery_codes", lock="user")
def renew_recovery_codes(*, actor: Actor, user: User) -> list[str]:
    """Replace the recovery codes. The caller has just verified a code. Returns the new ones, shown once."""
    codes = make_codes(user.pk)
    record(RecoveryCodesRenewed(subject=user.ref), actor=actor)
    return codes


@governed("account.read_second_factor", lock=None)
def note_key_read(*, actor: Actor, user: User, purpose: str) -> None:
    """Write down that the key of somebody's authenticator was read, and what for, in words."""
    record(SecondFactorRead(subject=user.ref, purpose=purpose), actor=actor)
