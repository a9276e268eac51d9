"""The page on which a person asks for a code and types it: plain HTML that works without scripts.

It says the same to everybody: not who the user is, not whether there is an address, not where the code went.
"""

from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from proxy.users.codes import DIGITS
from proxy.users.codes import LIFETIME as CODE_LIFETIME
from proxy.users.page_frame import framed
from proxy.users.portal import Answer
from proxy.users.return_to import origin_of


@dataclass(frozen=True, slots=True)
class View:
    """What the page is about."""

    handle: str
    token: str
    """What our own forms carry."""
    scope: str
    """The name of the route or group."""
    return_to: str = ""
    """Empty: nowhere."""

    def link(self, **more: str) -> str:
        """Return the address of the page that is about the same, as our pages and redirects say it."""
        known = {"handle": self.handle} | ({"return_to": self.return_to} if self.return_to else {})
        return f"verify?{urlencode(known | more)}"


def asking(view: View, *, problem: str = "", status: int = 200) -> Answer:
    """Return the page that offers to send a code."""
    body = f"""<p>To go on with <strong>{escape(view.scope)}</strong>, show that you read the e-mail address that is on
file for you: we send a code there, and you type it here.</p>
{_form(view, "send", '<button name="do" value="send">Send the code</button>')}
<p class="hint"><a href="{escape(view.link(sent="1"))}">I have a code already</a></p>"""
    return _page(view, "Confirm your e-mail address", body, problem, status)


def entering(
    view: View, *, problem: str = "", status: int = 200, is_wrong: bool = False, is_another: bool = False
) -> Answer:
    """Return the page that takes a code.

    `is_wrong`: the problem is what was typed; `is_another`: one more was asked for.
    """
    described = "hint problem" if problem else "hint"
    invalid = ' aria-invalid="true"' if is_wrong else ""
    fields = f"""<label for="code">Code</label>
<p class="hint" id="hint">{DIGITS} digits</p>
<input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9 ]*"
 maxlength="{DIGITS + 3}" required autofocus spellcheck="false" aria-describedby="{described}"{invalid}>
<button name="do" value="check">Confirm</button>"""
    again = '<button class="second" name="do" value="again">Send another code</button>'
    news = '<p role="status"><strong>Another code was asked for. Those before it count no more.</strong></p>\n'
    body = f"""{news if is_another else ""}<p>If an e-mail address is on file for you, the code was sent there.
It is good for {round(CODE_LIFETIME / 60)} minutes. If you do not see it, look in the spam folder.</p>
{_form(view, "check", fields)}
{_form(view, "again", again)}"""
    return _page(view, "Type the code", body, problem, status)


def done() -> Answer:
    """Return the page that is left when there is nowhere to return to."""
    return framed("Thank you", "<p>That was the right code. You can close this page and try again.</p>")


def broken(why: str, *, status: int = 400) -> Answer:
    """Return the page for a link that leads nowhere."""
    back = "<p>Go back to where you came from, and try again.</p>"
    return framed("This does not work", back, problem=why, status=status)


def _form(view: View, name: str, inner: str) -> str:
    hidden = {"handle": view.handle, "token": view.token, "return_to": view.return_to}
    fields = "\n".join(
        f'<input type="hidden" name="{field}" value="{escape(value)}">' for field, value in hidden.items() if value
    )
    return f'<form id="{name}" method="post" action="verify">\n{fields}\n{inner}\n</form>'


def _page(view: View, title: str, body: str, problem: str, status: int) -> Answer:
    forms = "'self'"
    if view.return_to:
        forms += f" {origin_of(view.return_to)}"  # where a form leads to counts, redirects included
    return framed(title, body, problem=problem, forms=forms, status=status)
