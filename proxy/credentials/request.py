"""The request that a credential sends for its token: written as settings, checked at load, filled in at each call."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Final, Self
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from pydantic import AfterValidator, Field, model_validator

from proxy.core.expression import Variables
from proxy.core.headers import TOKEN, check_name, encode_value
from proxy.core.moment import Moment
from proxy.core.origin import HOST
from proxy.core.secret import MASK, Secret
from proxy.core.settings import Duration, Settings
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.template import JsonTemplate, Template
from proxy.credentials.request_assertion import ASSERTION, RequestAssertionSettings
from proxy.net.endpoint import EndpointRequest
from proxy.net.tls import TlsSettings

_ADDRESS: Final = re.compile(r"[!-~]+")
"""Printable ASCII without a space: what is left once everything else is percent-encoded."""
_DOTS: Final = frozenset({".", ".."})
"""Segments of a path that no encoding can protect (RFC 3986 §5.2.4)."""


def _method(method: str) -> str:
    if not TOKEN.fullmatch(method) or method.upper() == "CONNECT":
        raise ValueError("a method is a word such as GET or POST")
    return method.upper()


def check_address(url: str) -> str:
    """Return an address that a credential may call: whole, absolute and percent-encoded.

    Raises:
        ValueError: it is none; the message never shows it.
    """
    parts = _split(url)
    if parts.scheme not in {"http", "https"} or not HOST.fullmatch(parts.netloc.removesuffix(f":{parts.port}")):
        if "@" in parts.netloc:
            raise ValueError("an address holds no user or password; send an Authorization header instead")
        raise ValueError("write the whole address, such as https://auth.example.com/token")
    if "#" in url or not _ADDRESS.fullmatch(url):
        raise ValueError("an address holds printable ASCII and no `#`; percent-encode the rest")
    return url


def is_plain_http(url: str) -> bool:
    """Return True when a request to that address would travel readable."""
    return _split(url).scheme == "http"


def address(template: Template) -> Template:
    """Return an address whose values may stand in its path and query only.

    Raises:
        ValueError: it is none.
    """
    parts, other = (_split(check_address(template.filled_with(stand_in))) for stand_in in ("x", "yy"))
    if (parts.scheme, parts.netloc) != (other.scheme, other.netloc):
        raise ValueError("variables may stand in the path and the query of an address, not before them")
    return template


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("the address is malformed; check host and port") from None
    return parts


def _header_name(name: str) -> str:
    return check_name(name) if name else name


class RequestSettings(Settings):
    """One HTTP request. Every text may hold variables, `{{ NAME }}` or `%%NAME%%`, and filters in braces."""

    method: Annotated[str, AfterValidator(_method)] = "POST"
    """Any HTTP method."""
    url: Annotated[Template, AfterValidator(address)]
    """The address, https unless the credential says `allow_plain_http`. What is filled in is percent-encoded."""
    query: Mapping[str, Template] = {}
    """Query parameters, appended to those in `url`; empty ones are left out."""
    headers: Mapping[Annotated[str, AfterValidator(_header_name)], Template] = {}
    """Headers; empty ones are left out."""
    form: Mapping[str, Template] | None = None
    """The body as a form (application/x-www-form-urlencoded); empty fields are left out."""
    json_: JsonTemplate | None = Field(None, alias="json")
    """The body as JSON; texts in it may hold variables."""
    body: Template | None = None
    """The body as it stands; say what it is with a Content-Type header."""
    assertion: RequestAssertionSettings | None = None
    """Claims that we sign for each request: a JWT, which goes where the request says `{{ ASSERTION }}`."""
    timeout: Annotated[Duration, Field(gt=0, le=120)] = 10.0
    """How long one try may take, from the connection to the last byte."""
    tls: TlsSettings | None = None
    """How the server proves itself, and how we do. Default: the system's authorities, and no certificate of ours."""

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if sum(body is not None for body in (self.form, self.json_, self.body)) > 1:
            raise ValueError("a request has one body: keep one of form, json and body")
        return self

    @model_validator(mode="after")
    def _sends_its_assertion(self) -> Self:
        if self.assertion is not None and ASSERTION not in self._named:
            raise ValueError(f"the assertion is sent nowhere; write {{{{ {ASSERTION} }}}} where it goes")
        return self

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        if self.tls is not None and self.is_plain_http:
            raise ValueError("url is not https, so `tls` would change nothing; take it out, or write https://")
        return self

    @property
    def is_plain_http(self) -> bool:
        """Return True when the request would travel readable."""
        return is_plain_http(self.url.filled_with("x"))

    @property
    def place(self) -> str:
        """Return the address as it is written, without its query, in which secrets may stand."""
        return self.url.source.partition("?")[0]

    @property
    def written(self) -> Secret:
        """Return all that is sent, as it is written, in one text."""
        rows = [
            {key: row.source for key, row in (part or {}).items()} for part in (self.query, self.headers, self.form)
        ]
        bodies = [None if body is None else body.source for body in (self.json_, self.body)]
        asserted = [] if self.assertion is None else [self.assertion.parties]
        return Secret(json.dumps([self.method, self.url.source, *rows, *bodies, *asserted]))

    @property
    def names(self) -> frozenset[str]:
        """Return the variables that the request needs, without the one that it makes."""
        return self._named if self.assertion is None else self._named - {ASSERTION}

    @property
    def _named(self) -> frozenset[str]:
        mappings = (self.query, self.headers, self.form or {})
        templates = [self.url, self.json_, self.body, *(value for mapping in mappings for value in mapping.values())]
        return frozenset(name for template in templates if template is not None for name in template.names)

    def build(self, variables: Variables, moment: Moment | None = None) -> EndpointRequest:
        """Return the request with its places filled in; `moment` is what its times and random numbers are taken of.

        Raises:
            UndefinedVariableError: a variable has no value.
            TokenRequestError: a value cannot stand where it should.
        """
        if self.assertion is not None and moment is not None:
            variables = {**variables, **self.assertion.made_at(moment)}
        try:
            return EndpointRequest(
                self.method,
                self._url(variables, moment),
                self._headers(variables, moment),
                self._body(variables, moment),
                self.timeout,
                shown_path=urlsplit(self.url.filled_with(MASK)).path if self.url.names else None,
                tls=self.tls,
            )
        except UnicodeEncodeError:
            raise TokenRequestError(Symptom.REQUEST, "a variable holds text that UTF-8 cannot write") from None
        except ValueError as error:
            raise TokenRequestError(Symptom.REQUEST, f"a header of the request cannot be sent: {error}") from None

    def _url(self, variables: Variables, moment: Moment | None) -> str:
        url = self.url.render(variables, moment, encode=lambda text: quote(text, safe=""))
        if self.url.names and not _DOTS.isdisjoint(urlsplit(url).path.split("/")):
            raise TokenRequestError(Symptom.REQUEST, "a variable in the path of `url` leads out of it, with dots alone")
        query = urlencode(_filled(self.query, variables, moment), quote_via=quote, safe="")
        return url + ("&" if "?" in url else "?") + query if query else url

    def _headers(self, variables: Variables, moment: Moment | None) -> tuple[tuple[str, str], ...]:
        headers = _filled(self.headers, variables, moment)
        for value in headers.values():
            encode_value(value)
        kind = "application/x-www-form-urlencoded" if self.form is not None else self.json_ and "application/json"
        if kind and "content-type" not in map(str.lower, headers):
            headers["Content-Type"] = kind
        return tuple(headers.items())

    def _body(self, variables: Variables, moment: Moment | None) -> bytes:
        if self.form is not None:
            return urlencode(_filled(self.form, variables, moment)).encode("ascii")
        if self.json_ is not None:
            return json.dumps(self.json_.render(variables, moment)).encode("ascii")
        return b"" if self.body is None else self.body.render(variables, moment).encode()


def _filled(rows: Mapping[str, Template], variables: Variables, moment: Moment | None) -> dict[str, str]:
    """Return the rows with their places filled in, without those whose key or value is empty."""
    filled = {key: template.render(variables, moment) for key, template in rows.items()}
    return {key: value for key, value in filled.items() if key and value}
