"""What a route wants of a user before it acts for them, beyond knowing who they are."""

from typing import Annotated, Final, Literal

from pydantic import Field

from proxy.core.errors import InternalError
from proxy.core.person import Person
from proxy.core.settings import Duration, Settings
from proxy.users.codes import LONGEST_VALID
from proxy.users.people import People

OWN: Final = "route"


class EmailOtpSettings(Settings):
    """The user has shown lately that they read the mailbox that is on file for them, by a one-time code."""

    kind: Literal["email_otp"]
    """The requirement's kind."""
    valid_for: Annotated[Duration, Field(gt=0, le=LONGEST_VALID)] = 900.0
    """How long a right code counts."""
    scope: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)] = OWN
    """For what it counts: `route`, this route alone, or the name of a group of routes that share it."""


class Requirement:
    """A requirement of one route, by the name under which verifications know it."""

    __slots__ = ("scope", "valid_for")

    def __init__(self, settings: EmailOtpSettings, route: str) -> None:
        self.scope = f"route/{route}" if settings.scope == OWN else f"group/{settings.scope}"
        self.valid_for = settings.valid_for


async def require(people: People, person: Person, requirements: tuple[Requirement, ...]) -> None:
    """Let a request go on whose user meets them all. Waits for nothing as long as that is known in this process.

    Raises:
        VerificationRequiredError: one is not met, or not any more.
        DependencyUnavailableError: that cannot be told now.
    """
    verify = people.verify
    if verify is None:
        raise InternalError
    for one in requirements:
        if not verify.verifications.holds(person, one.scope, one.valid_for):
            await verify.demand(person, one.scope, one.valid_for)
