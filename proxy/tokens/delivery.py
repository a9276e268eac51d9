"""One try to deliver a notice: where it goes, with which signature, and what the answer means."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from proxy.core.clock import Clock
from proxy.core.origin import HOST
from proxy.core.secret import Secret
from proxy.core.settings import Duration, Settings
from proxy.core.symptom import TokenRequestError
from proxy.net.endpoint import Endpoint, EndpointRequest
from proxy.net.refusal import retry_after
from proxy.tokens.notice import Notice, SigningSecret

GONE: Final = 410
"""The status by which a receiver says that it wants nothing more (RFC 9110 §15.5.11)."""


def _address(url: Secret) -> Secret:
    text = url.reveal()
    try:
        parts = urlsplit(text)
        host = parts.netloc.removesuffix(f":{parts.port}")
    except ValueError:
        raise ValueError("the address is malformed; check host and port") from None
    if "@" in parts.netloc:
        raise ValueError("an address holds no user or password; the signature proves who sends")
    if parts.scheme not in {"http", "https"} or not HOST.fullmatch(host):
        raise ValueError("write the whole address, such as https://alarm.example.com/countersign")
    if "#" in text or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("an address holds printable ASCII and no `#`; percent-encode the rest")
    return url


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class WebhookSettings(Settings):
    """Whom to tell that a credential fails, recovers, or needs a person."""

    url: Annotated[Secret, AfterValidator(_address)]
    """Where a POST goes: https, unless `allow_plain_http`. Private addresses are allowed."""
    secret: Annotated[
        tuple[SigningSecret, ...],
        BeforeValidator(_listed),
        Field(strict=False, min_length=1),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
    ]
    """What signs: `whsec_` and base64, or another text, of 24 bytes or more. Several while you replace one, the newest
    first."""
    timeout: Annotated[Duration, Field(gt=0, le=30)] = 5.0
    """How long one try may take."""
    allow_plain_http: bool = False
    """Let the address be an `http://` one; what is told then travels readable."""

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if urlsplit(self.url.reveal()).scheme == "http" and not self.allow_plain_http:
            raise ValueError("url is not https; what is told would travel readable unless `allow_plain_http: true`")
        return self


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a try was no delivery."""

    reason: str
    """A word of the reference: `network`, `malformed_response`, `internal`, `status` or `gone`."""
    detail: str
    """For people; names the receiver's host, not its path."""
    retry_after: float = 0.0
    """Seconds that the receiver asked us to wait."""


async def deliver(
    notice: Notice, settings: WebhookSettings, *, instance: str, endpoint: Endpoint, clock: Clock
) -> Miss | None:
    """Send the notice once. None: it is delivered, for the answer is a 2xx."""
    body = notice.body(instance)
    headers = notice.headers(settings.secret, int(clock.now()), body)
    request = EndpointRequest("POST", settings.url.reveal(), headers, body, settings.timeout)
    try:
        reply = await endpoint.ask(request)
    except TokenRequestError as error:
        return Miss(error.reason.value, error.sentence)
    if 200 <= reply.status < 300:
        return None
    reason = "gone" if reply.status == GONE else "status"
    return Miss(reason, f"{request.subject} answered {reply.status}", retry_after(reply) or 0.0)
