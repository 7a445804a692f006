"""What owners do to people's accounts, as acts of the console."""

from guildhall.owner.model_admin import Act, ReasonForm, acting_on
from tenants.actions.people import deactivate_account, make_owner, reactivate_account, remove_owner

DEACTIVATE = Act(
    title="Deactivate {}",
    consequence="This person is shut out of every organisation and of this console at once, with their keys and tokens.",
    button="Deactivate",
    done="{} is deactivated.",
    perform=acting_on("user", deactivate_account),
    form=ReasonForm,
    danger=True,
)
REACTIVATE = Act(
    title="Let {} in again",
    consequence="This person can sign in again wherever they are a member.",
    button="Let in again",
    done="{} can sign in again.",
    perform=acting_on("user", reactivate_account),
    form=ReasonForm,
)
MAKE_OWNER = Act(
    title="Make {} an owner",
    consequence="An owner can do everything in this console: create and suspend organisations, shut people out, "
    "change models and prices, and make other owners.",
    button="Make an owner",
    done="{} is an owner.",
    perform=acting_on("user", make_owner),
    form=ReasonForm,
    danger=True,
)
REMOVE_OWNER = Act(
    title="End the ownership of {}",
    consequence="This person leaves the console at once. Their memberships stay.",
    button="End ownership",
    done="{} is no owner any more.",
    perform=acting_on("user", remove_owner),
    form=ReasonForm,
    danger=True,
)
