"""What has to look at each request before it adds its part; most credentials have nothing of the kind.

A header that the caller's own may replace, a field inside the body, a signature of the request: none of them can be
rendered once per token. They stand together, apart from what can be, so that a request without them pays nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Protocol

from proxy.core.moment import Moment

WHOLE: Final = "whole"
"""What a signer asks for beside names of hash functions: the body itself, in memory."""


class UnfitError(ValueError):
    """This request cannot carry what the token adds; the message is for the caller and holds nothing of either."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request exactly as it will be sent, apart from what a signer adds to it."""

    method: str
    host: str
    """As the Host header spells it."""
    path: str = field(repr=False)
    """The raw path, as text that surrogateescape turns back into its bytes."""
    query: str = field(repr=False)
    """The raw query without its `?`, in the same way."""
    lines: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    """Header lines in their order: lower-case names, values."""
    given: Mapping[str, str] = field(repr=False)
    """What the caller sent, by case-insensitive name, even if it is not sent on."""
    is_tls: bool
    moment: Moment
    """The time that the signature says, and its nonce."""
    body: bytes | None = field(default=None, repr=False)
    """None: not here as a whole."""
    digests: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Hashes of the body, by the name of the hash function."""

    @property
    def url(self) -> str:
        """Return the whole address."""
        scheme = "https" if self.is_tls else "http"
        return f"{scheme}://{self.host}{self.path}" + (f"?{self.query}" if self.query else "")

    def with_more(self, lines: bytes, query: bytes) -> "Prepared":
        """Return it with more header lines, each ending in CRLF, and more parameters."""
        added = [line.partition(b": ") for line in lines.split(b"\r\n")[:-1]]
        return replace(
            self,
            lines=(*self.lines, *((name.lower(), value) for name, _, value in added)),
            query="&".join(filter(None, (self.query, query.decode("ascii")))),
        )


class Signed(NamedTuple):
    """What a signature adds to a prepared request."""

    lines: bytes = b""
    """Whole header lines, each ending in CRLF."""
    query: bytes = b""
    """Parameters to append, percent-encoded, joined by `&`."""

    def __repr__(self) -> str:
        return "<Signed>"


class RequestSigner(Protocol):
    """Signs requests one by one, with one generation of a token."""

    @property
    def adds(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names of the headers and of the parameters that it adds."""

    def wants(self, given: Mapping[str, str], *, streams: bool, is_tls: bool) -> frozenset[str]:
        """Return what it must know of the body: names of hash functions, or `WHOLE`.

        `given` are the caller's header fields; `streams` says that the body is not in memory.
        """

    def sign(self, prepared: Prepared) -> Signed:
        """Return what it adds.

        Raises:
            UnfitError: this request cannot be signed; says why.
        """


class BodyEdit(Protocol):
    """Puts one field into a request's body."""

    @property
    def field(self) -> str:
        """Return what it adds, as a person may read it."""

    def apply(self, media_type: str, body: bytes) -> bytes:
        """Return the body with the field in it, every other byte as it was where that is possible.

        Raises:
            UnfitError: this body cannot take it; says why.
        """


@dataclass(frozen=True, slots=True)
class Tailored:
    """The parts of an injection that depend on the request."""

    unless_header: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    """By lower-case name, the whole line to add if the caller sent no such header."""
    unless_query: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    """By percent-decoded name, the encoded parameter to append if the caller sent no such parameter."""
    unless_cookie: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    """Cookies to set if the caller sent none of that name."""
    moves: tuple[tuple[bytes, bytes], ...] = ()
    """By lower-case name, the name under which the caller's own header goes on."""
    edits: tuple[BodyEdit, ...] = field(default=(), repr=False)
    signers: tuple[RequestSigner, ...] = field(default=(), repr=False)

    def joined(self, other: "Tailored | None") -> "Tailored":
        """Return both, this one's parts first."""
        if other is None:
            return self
        return Tailored(
            self.unless_header + other.unless_header,
            self.unless_query + other.unless_query,
            self.unless_cookie + other.unless_cookie,
            self.moves + other.moves,
            self.edits + other.edits,
            self.signers + other.signers,
        )
