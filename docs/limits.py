"""The limits as a reference: how long, how large, how many, read from the constants and defaults that set them."""

from collections.abc import Iterator
from typing import Final

from docs.wrapping import item
from proxy.config.schema import ListenSettings
from proxy.core.rejection import PREFIX_LIMIT
from proxy.core.settings import spell_duration, spell_size
from proxy.credentials.request import RequestSettings
from proxy.gateway import body, listener
from proxy.gateway.settings import LimitSettings, TimeoutSettings
from proxy.net import answer, endpoint
from proxy.tokens import webhook
from proxy.tokens.delivery import WebhookSettings

_TIMEOUTS: Final = TimeoutSettings()


def limits() -> Iterator[str]:
    """Yield every limit, with the setting that moves it where there is one."""
    for words, limit, setting in (
        ("The request line, and each header line", spell_size(listener.MAX_LINE), ""),
        ("Header lines of a request", str(listener.MAX_FIELDS), ""),
        ("From the first byte of a request head to its last", spell_duration(listener.HEAD_DEADLINE), ""),
        ("Pause of a body that is read in advance", spell_duration(body.PATIENCE), ""),
        ("Pause of a body under way, in either direction", spell_duration(_TIMEOUTS.idle), "timeouts.idle"),
        ("Length of a request body", "none", "limits.body"),
        ("Requests under way per route", str(LimitSettings().in_flight), "limits.in_flight"),
        ("Connections of callers", str(ListenSettings().max_connections), "listen.max_connections"),
        ("Unused connection of a caller", spell_duration(listener.KEEPALIVE), ""),
        ("Connecting to an upstream", spell_duration(_TIMEOUTS.connect), "timeouts.connect"),
        (
            "From a request's end to its answer's head",
            spell_duration(_TIMEOUTS.response),
            "timeouts.response",
        ),
        ("Unused connection to an upstream", spell_duration(_TIMEOUTS.keepalive), "timeouts.keepalive"),
        ("Head of an answer", f"{spell_size(answer.MAX_HEAD)}, {answer.MAX_FIELDS} lines", ""),
        ("Interim answers (1xx) before an answer", str(answer.MAX_INFORMATIONAL), ""),
        ("Beginning of an answer that a `rejected_when` rule looks at", spell_size(PREFIX_LIMIT), ""),
        ("Reply of a token endpoint", spell_size(endpoint.BODY_LIMIT), ""),
        ("One try of a token request", spell_duration(_token_timeout()), "request.timeout"),
        ("Further tries of a token request", str(endpoint.RETRIES), ""),
        ("One try of a webhook delivery", spell_duration(_webhook_timeout()), "events.webhook.timeout"),
        ("Further tries of a webhook delivery", str(len(webhook.WAITS)), ""),
        ("Events that wait to be delivered", str(webhook.QUEUE), ""),
    ):
        moved = f" (`{setting}`)" if setting else ""
        yield item(f"{words}: **{limit}**{moved}")


def _token_timeout() -> float:
    return float(RequestSettings.model_fields["timeout"].default)


def _webhook_timeout() -> float:
    return float(WebhookSettings.model_fields["timeout"].default)
