"""Where a browser may be sent back to: pages of the configured origins, and nowhere else."""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from proxy.core.errors import RequestInvalidError

_LONGEST: Final = 2048


def checked(address: str, origins: Collection[str]) -> str:
    """Return the address.

    Raises:
        RequestInvalidError: it is no page of one of these origins, or browsers and we might read it differently.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    is_plain = len(address) <= _LONGEST and all("!" <= sign <= "~" and sign != "\\" for sign in address)
    if not is_plain or f"{parts.scheme}://{parts.netloc}" not in origins:
        raise RequestInvalidError("this is no page to return to; see `users.origins`")
    return address


def with_parameter(address: str, name: str, value: str) -> str:
    """Return an address that was checked with one more parameter in its query."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode({name: value}))))))


def origin_of(address: str) -> str:
    """Return the origin of an address that was checked."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
