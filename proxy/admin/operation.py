"""What an operation of the admin API is, and what it gets.

Theory. An operation never sees a request, only a `Call`, and a `Call` is made in one place: where the key has been
checked (`admin/api.py`). So there is no way to write one that answers strangers.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from proxy.admin.inspectable import Inspectable
from proxy.admin.problem import NotFoundError
from proxy.admin.views import View

BASE: Final = "/api/v1"


class Parameters(BaseModel):
    """Base of what an operation takes in its query or body."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    @property
    def noted(self) -> Mapping[str, Any]:
        """What is written down of an order; no user's id is."""
        return self.model_dump(exclude={"user"})


@dataclass(frozen=True, slots=True)
class Call:
    """An order of somebody whose key was right."""

    who: str
    """The name of the key's holder."""
    name: str
    """What the path names; empty when it names nothing."""
    part: str
    """What the path names of it; empty when it names no part."""
    parameters: Any
    """An instance of the operation's `takes`."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that the admin API does."""

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    run: Callable[[Inspectable, Call], Awaitable[View]]
    shows: type[View]
    takes: type[Parameters] = Parameters
    """What the query (GET) or the body holds."""
    subject: Literal["credential", "route", "user"] | None = None
    """What the first name in the path is of; the name of a part of it may follow."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return what stands in braces in the path."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))

    @property
    def is_order(self) -> bool:
        """Return True when it changes something; every order is recorded."""
        return self.method != "GET"


def existing(things: Mapping[str, object], name: str, what: str) -> str:
    """Return the name. Raises NotFoundError: there is nothing of that name."""
    if name not in things:
        raise NotFoundError(f"there is no {what} of this name; GET {BASE}/{what}s lists them")
    return name
