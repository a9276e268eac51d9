"""What is known in the middle of a workflow's run, and the token that its end makes of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.core.message import Reply
from proxy.core.moment import Moment
from proxy.core.secret import Secret
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.template import Template, UndefinedVariableError
from proxy.core.token import Token
from proxy.credentials import claims
from proxy.credentials.expiry import ExpiryError, ExpiryType, expires_at
from proxy.credentials.jar import Jar
from proxy.credentials.reading import Expiries, ExpiryPlaces, clean
from proxy.credentials.workflow_steps import Brought
from proxy.extractors.base import ExtractError, Found

EXPIRES_IN: Final = "EXPIRES_IN"
EXPIRES_AT: Final = "EXPIRES_AT"
EXPIRIES: Final = (EXPIRES_IN, EXPIRES_AT)
COOKIES: Final = "COOKIES"
"""All cookies that the last step's host gets, as a header says them."""
COOKIE_JAR: Final = "COOKIE_JAR"
"""All cookies, for the next run."""


@dataclass
class Run:
    """One run so far."""

    first: Mapping[str, Secret]
    """The first values of variables."""
    former: Mapping[str, Secret]
    """What the run before it brought."""
    jar: Jar | None = None
    brought: dict[str, Reply] = field(default_factory=dict)
    """The replies of this run that brought variables, by variable."""
    last: Reply | None = None
    has_spent: bool = False
    """Something that may work only once was sent."""

    def __post_init__(self) -> None:
        self.variables = {**self.first, **self.former}
        if self.jar is not None and COOKIE_JAR in self.former:
            self.jar = Jar.opened(self.former[COOKIE_JAR].reveal())

    def take(self, brought: Brought) -> None:
        """Go on with what a step brought."""
        self.last = brought.reply
        self.variables.update(brought.values)
        self.brought.update(dict.fromkeys(brought.values, brought.reply))
        for name in brought.gone:
            self.variables.pop(name, None)
        if self.jar is not None:
            made = {COOKIES: self.jar.all_for(brought.request.url), COOKIE_JAR: self.jar.saved()}
            self.variables.update({name: Secret(value) for name, value in made.items()})

    @property
    def saved(self) -> dict[str, Secret]:
        """Return what the next run begins with."""
        kept = {*self.former, *self.brought, COOKIES, COOKIE_JAR} & self.variables.keys()
        return {name: self.variables[name] for name in kept}


class TokenMaker:
    """Makes tokens of runs. `brought` are the variables that steps bring."""

    def __init__(self, token: Template, expiry: Expiries | None, brought: frozenset[str]) -> None:
        self.template = token
        self._brought = brought
        self._expiry = None if expiry is None else ExpiryPlaces(expiry)

    @property
    def token_at(self) -> str:
        """Return what the token is made of, as a message may name it."""
        return f"the variables {', '.join(sorted(self.template.names))}" if self.template.names else "`token`"

    def expiry_at(self, token: Token) -> str | None:
        """Return what set that token's expiry, as a message may name it; None: nothing that is configured."""
        told = [name for name in EXPIRIES if token.variables.get(name)]
        if told:
            return f"the variable {told[0]}"
        return None if self._expiry is None else f"{self._expiry.place} of the last reply"

    def make(self, run: Run, given: Token | None = None) -> Token:
        """Return the token that the run makes, with all variables for the next one.

        `given`: another credential's token, if all that it brought is what the run has. Its expiry is on our clock
        already, while what its variables say is on the provider's; so it counts wherever they would.

        Raises:
            TokenRequestError: it makes none.
        """
        if run.last is None:
            raise TokenRequestError(Symptom.REQUEST, "every step was skipped, so there is no token")
        value = self._value(run, Moment.at(run.last.received_at))
        is_of_theirs = given is not None and value == given.value.reveal()
        ends = (
            given.expires_at if given is not None and is_of_theirs else min(self._ends_at(value, run, run.last, given))
        )
        return Token(Secret(value), issued_at=run.last.received_at, expires_at=ends, variables=run.saved)

    def _value(self, run: Run, moment: Moment) -> str:
        try:
            return clean(self.template.render(run.variables, moment))
        except UndefinedVariableError as error:
            sentence = f"{error}, for no step that was taken has brought it, and `token` is made of it"
            raise TokenRequestError(Symptom.TOKEN_NOT_FOUND, sentence) from None
        except ValueError as error:
            raise TokenRequestError(Symptom.TOKEN_UNUSABLE, f"{self.token_at} make {error}") from None

    def _told(self, run: Run) -> Iterator[tuple[str, Found | None, ExpiryType | None, Reply | None]]:
        """Yield everything that says when the token ends: its place, what it says, its type, and who said it."""
        told = [name for name in EXPIRIES if run.variables.get(name) and self._counts(name, run)]
        for name in told:
            value = run.variables[name].reveal().strip()
            yield name, value, _type_of(name, value), run.brought.get(name)
        if told or run.last is None:
            return
        try:
            said = None if self._expiry is None else self._expiry.told(run.last)
        except ExtractError as error:
            raise TokenRequestError(Symptom.EXPIRY_WRONG, f"the last reply has {error}") from None
        yield said.place if said else "the token", said and said.found, said and said.type, None

    def _counts(self, name: str, run: Run) -> bool:
        """Tell whether the variable speaks of this token: what was said of a former one does not."""
        return name in run.brought or name not in self._brought

    def _ends_at(self, value: str, run: Run, last: Reply, given: Token | None) -> Iterator[float]:
        for place, found, kind, reply in self._told(run):
            if given is not None and given.expires_at is not None and place in given.variables:
                own = claims.ends_at(value, last)
                yield given.expires_at if own is None or own <= last.received_at else min(own, given.expires_at)
                continue
            try:
                yield expires_at(found, kind, reply=reply or last, token=value)
            except ExpiryError as error:
                raise TokenRequestError(Symptom.EXPIRY_WRONG, f"{place} says {error}") from None


def _type_of(name: str, value: str) -> ExpiryType:
    if name == EXPIRES_IN:
        return "seconds"
    return "epoch" if value.replace(".", "", 1).isdigit() else "datetime"
