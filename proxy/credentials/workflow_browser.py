"""A workflow whose last step a person takes, in their browser; what they come back with goes on as variables.

Theory. A sign-in is one run in two halves. The first takes `steps` and computes an address; the second begins where
the first ended, with the parameters that the person came back with, their names in upper case, and takes `on_callback`.
A parameter never changes a variable that has a value: whoever sends somebody back cannot put another host, client or
secret in the place of what was configured, of what is known of the user, or of what an earlier step brought.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from proxy.core.clock import Clock
from proxy.core.message import Reply
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.credentials.browser import REDIRECT_URI, STATE, VERIFIER, BrowserSettings
from proxy.credentials.provider_answer import refused
from proxy.credentials.sign_in import Arrival, Departure, Errand, SignsIn
from proxy.credentials.workflow_course import Course
from proxy.credentials.workflow_run import EXPIRES_AT, EXPIRES_IN, Run
from proxy.credentials.workflow_steps import LONGEST_VALUE, Step

_SECRET_BYTES: Final = 32
ERROR: Final = "ERROR"
"""What a parameter `error` becomes. Where no step asks for it, it ends the sign-in."""


class BrowserWay(SignsIn):
    """The two halves.

    `halves` are the steps before, of which the last is the browser's, and those after. `wanted` are the variables that
    anything uses: no others are taken from an address. `plain`: an address of http may be opened.
    """

    def __init__(
        self,
        browser: BrowserSettings,
        course: Course,
        clock: Clock,
        *,
        halves: tuple[Sequence[Step], Sequence[Step]],
        wanted: Collection[str],
        plain: bool,
    ) -> None:
        self._course = course
        self._clock = clock
        (*self._steps, self._door), self._on_callback = halves
        self._wanted = frozenset(wanted) | {EXPIRES_IN, EXPIRES_AT}
        self._plain = plain
        self.service = browser.called
        self.own_callback = browser.callback == "own"

    async def begin(self, errand: Errand) -> Departure:
        """Take the steps before the browser's, and return the address that it opens."""
        verifier = Secret(secrets.token_urlsafe(_SECRET_BYTES))
        run = self._run(errand, {}, verifier)
        await self._course.walk(self._steps, run)
        kept = {**run.saved, VERIFIER: verifier}
        if self._door.skipped_for(run.variables) is not None:  # nobody is needed: the way leads straight back
            return Departure(f"{errand.redirect_uri}?{urlencode({'state': errand.state})}", kept)
        return Departure(self._door.address(run.variables, plain=self._plain), kept)

    async def arrive(self, errand: Errand, kept: Mapping[str, Secret], parameters: Mapping[str, str]) -> Arrival:
        """Go on with what came back, and return what the steps make of it."""
        if "error" in parameters and ERROR not in self._wanted:
            raise refused(parameters["error"])
        run = self._run(errand, {name: value for name, value in kept.items() if name != VERIFIER}, kept[VERIFIER])
        came = Reply(200, (), b"", self._clock.now())
        for name, value in parameters.items():
            if (known_as := name.upper()) in self._wanted - run.variables.keys() and len(value) <= LONGEST_VALUE:
                run.variables[known_as] = Secret(value)
                run.brought[known_as] = came
        run.last = came
        await self._course.walk(self._on_callback, run)
        return Arrival(self._course.maker.make(run))

    async def give_back(self, token: Token) -> bool:
        """Return False: nobody has told us how."""
        return False

    def _run(self, errand: Errand, kept: Mapping[str, Secret], verifier: Secret) -> Run:
        made = {STATE: Secret(errand.state), REDIRECT_URI: Secret(errand.redirect_uri), VERIFIER: verifier}
        return self._course.begin(kept, **made)
