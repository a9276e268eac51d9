"""The mail that carries a code: its templates, and the message that is made of them, a text and a page.

Nothing that is filled in can add a header or a recipient: addresses are held to a narrow form, and headers to one line.
"""

import re
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import formatdate, make_msgid
from html import escape
from typing import Annotated, Final

from pydantic import AfterValidator

from proxy.core.secret import Secret
from proxy.core.settings import Settings
from proxy.core.template import Template

_BEYOND: Final = "\x80-\U0010ffff"
"""What addresses may have besides ASCII (RFC 6531 §3.3), as far as it can be seen."""
_LABEL: Final = rf"[A-Za-z0-9{_BEYOND}](?:[A-Za-z0-9{_BEYOND}-]*[A-Za-z0-9{_BEYOND}])?"
_ADDRESS: Final = re.compile(rf"([A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~{_BEYOND}-]+)@({_LABEL}(?:\.{_LABEL})*)")
_LONGEST: Final = 64, 253
"""Bytes of what stands before the `@` and behind it (RFC 5321 §4.5.3.1)."""
_SENDER: Final = re.compile(r"(?:(?P<name>[^<>\"\\\x00-\x1f\x7f]{1,100})<(?P<inner>[^<>]+)>|(?P<bare>[^<>\s]+))")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
KNOWN: Final = frozenset({"CODE", "SCOPE", "MINUTES", "USER_NAME"})
LONGEST_SUBJECT: Final = 200


def is_address(text: str) -> bool:
    """Whether mail can be sent there, if the server takes it. Quoted local parts are refused, and what is not seen."""
    found = _ADDRESS.fullmatch(text)
    if found is None or not text.isprintable() or any(sign.isspace() for sign in text):
        return False
    return all(len(part.encode()) <= longest for part, longest in zip(found.groups(), _LONGEST, strict=True))


def _sender(text: str) -> str:
    found = _SENDER.fullmatch(text)
    if found is None or not is_address(address := found["inner"] or found["bare"]) or not address.isascii():
        raise ValueError("a sender is an address, or a name and an address: Example <no-reply@example.com>")
    return text


Sender = Annotated[str, AfterValidator(_sender)]
"""An address, perhaps with a name before it: `Example <no-reply@example.com>`."""


def _known(text: str) -> str:
    if unknown := sorted(Template(text).names - KNOWN):
        raise ValueError(f"{', '.join(unknown)} is not known here; there are {', '.join(sorted(KNOWN))}")
    return text


def _with_code(text: str) -> str:
    if "CODE" not in Template(_known(text)).names:
        raise ValueError("the code is missing; write {{ CODE }} where it belongs")
    return text


_SUBJECT: Final = "Your code for {{ SCOPE }}"
_TEXT: Final = """\
Your code is: {{ CODE }}

It confirms that you read this mailbox, for the use of {{ SCOPE }}. It is good for {{ MINUTES }} minutes and works once.

Type it only into the page or the app where you asked for it, and tell it to nobody.
If you did not ask for it, you can ignore this message.
"""
_HTML: Final = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Your code</title></head>
<body style="font-family: sans-serif; line-height: 1.5">
<p>Your code is:</p>
<p style="font-size: 1.75em; letter-spacing: 0.15em"><strong>{{ CODE }}</strong></p>
<p>It confirms that you read this mailbox, for the use of {{ SCOPE }}.
It is good for {{ MINUTES }} minutes and works once.</p>
<p>Type it only into the page or the app where you asked for it, and tell it to nobody.
If you did not ask for it, you can ignore this message.</p>
</body>
</html>
"""


class LetterSettings(Settings):
    """What the mail with a code says. It may use CODE, SCOPE (the route or group), MINUTES and USER_NAME."""

    subject: Annotated[str, AfterValidator(_known)] | None = None
    """Its subject. None: ours."""
    text: Annotated[str, AfterValidator(_with_code)] | None = None
    """Its text, for readers that show no HTML. None: ours."""
    html: Annotated[str, AfterValidator(_with_code)] | None = None
    """The same as HTML; what is filled in is escaped. None: ours."""


def letter(
    settings: LetterSettings, *, sender: str, address: str, code: Secret, scope: str, minutes: int, name: str | None
) -> EmailMessage:
    """Return the message.

    Raises:
        ValueError: no mail can be sent to that address.
    """
    if not is_address(address):
        raise ValueError("this is no address that mail can be sent to")
    variables: Mapping[str, str | Secret] = {
        "CODE": code,
        "SCOPE": scope,
        "MINUTES": str(minutes),
        "USER_NAME": name or "",
    }
    subject, text, html = (
        Template(own or ours)
        for own, ours in ((settings.subject, _SUBJECT), (settings.text, _TEXT), (settings.html, _HTML))
    )
    message = EmailMessage(policy=(SMTP if address.isascii() else SMTPUTF8).clone(cte_type="7bit"))
    local, _, domain = address.rpartition("@")
    message["From"] = _from(sender)
    message["To"] = Address(username=local, domain=domain)
    message["Subject"] = _CONTROL.sub(" ", subject.render(variables)).strip()[:LONGEST_SUBJECT]
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=envelope_sender(sender).rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message.set_content(text.render(variables))
    message.add_alternative(html.render(variables, encode=escape), subtype="html")
    return message


def envelope_sender(sender: str) -> str:
    """Return the bare address of a sender."""
    found = _SENDER.fullmatch(sender)
    return "" if found is None else (found["inner"] or found["bare"])


def _from(sender: str) -> Address:
    found = _SENDER.fullmatch(sender)
    name = (found["name"] or "").strip() if found is not None else ""
    local, _, domain = envelope_sender(sender).rpartition("@")
    return Address(name, local, domain)
