"""The page on which a person asks for a code and types it: plain HTML that works without scripts.

It says the same to everybody: not who the user is, not whether there is an address, not where the code went.
"""

import base64
import hashlib
from dataclasses import dataclass
from html import escape
from typing import Final

from proxy.users.codes import DIGITS
from proxy.users.codes import LIFETIME as CODE_LIFETIME
from proxy.users.portal import Answer, page
from proxy.users.return_to import origin_of

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #fff; --quiet: #54545c; --line: #767680; --deed: #0b57d0;
  --on-deed: #fff; --alarm: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6ea; --paper: #16161a; --quiet: #b4b4bc; --line: #8a8a94;
  --deed: #a8c7fa; --on-deed: #062e6f; --alarm: #ffb4ab; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.5 system-ui, sans-serif; }
main { max-width: 26rem; margin: 8vh auto 0; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
p { margin: 0 0 1rem; overflow-wrap: anywhere; }
label { display: block; font-weight: 600; margin-bottom: .25rem; }
.hint { color: var(--quiet); font-size: .9375rem; margin-bottom: .5rem; }
input { font: 1.5rem/1.2 ui-monospace, monospace; letter-spacing: .2em; width: 100%; padding: .625rem .75rem;
  margin-bottom: 1rem; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: .375rem; }
input[aria-invalid] { border-color: var(--alarm); }
button { font: inherit; font-weight: 600; width: 100%; min-height: 2.75rem; padding: .5rem 1rem; cursor: pointer;
  border: 1px solid var(--deed); border-radius: .375rem; background: var(--deed); color: var(--on-deed); }
button.second { background: transparent; color: var(--deed); margin-top: .75rem; }
:focus-visible { outline: 3px solid var(--deed); outline-offset: 2px; }
.alarm { color: var(--alarm); font-weight: 600; }
"""
_HASH: Final = f"'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"


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


def asking(view: View, *, problem: str = "", status: int = 200) -> Answer:
    """Return the page that offers to send a code."""
    body = f"""<p>To go on with <strong>{escape(view.scope)}</strong>, show that you read the e-mail address that is on
file for you: we send a code there, and you type it here.</p>
{_form(view, "send", '<button name="do" value="send">Send the code</button>')}"""
    return _page(view, "Confirm your e-mail address", body, problem=problem, status=status)


def entering(view: View, *, problem: str = "", status: int = 200) -> Answer:
    """Return the page that takes a code."""
    described = "hint problem" if problem else "hint"
    invalid = ' aria-invalid="true"' if problem else ""
    fields = f"""<label for="code">Code</label>
<p class="hint" id="hint">{DIGITS} digits</p>
<input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9 ]*"
 maxlength="{DIGITS + 3}" required autofocus spellcheck="false" aria-describedby="{described}"{invalid}>
<button name="do" value="check">Confirm</button>"""
    again = '<button class="second" name="do" value="send">Send another code</button>'
    body = f"""<p>If an e-mail address is on file for you, a code is on its way to it. It is good for
{round(CODE_LIFETIME / 60)} minutes. If you do not see it, look in the spam folder.</p>
{_form(view, "check", fields)}
{_form(view, "again", again)}"""
    return _page(view, "Type the code", body, problem=problem, status=status)


def done() -> Answer:
    """Return the page that is left when there is nowhere to return to."""
    return _page(None, "Thank you", "<p>That was the right code. You can close this page and try again.</p>")


def broken(why: str, *, status: int = 400) -> Answer:
    """Return the page for a link that leads nowhere."""
    return _page(None, "This does not work", "<p>Go back to where you came from, and try again.</p>", why, status)


def _form(view: View, name: str, inner: str) -> str:
    hidden = {"handle": view.handle, "token": view.token, "return_to": view.return_to}
    fields = "\n".join(
        f'<input type="hidden" name="{field}" value="{escape(value)}">' for field, value in hidden.items() if value
    )
    return f'<form id="{name}" method="post" action="verify">\n{fields}\n{inner}\n</form>'


def _page(view: View | None, title: str, body: str, problem: str = "", status: int = 200) -> Answer:
    alarm = f'<p class="alarm" role="alert" id="problem">{escape(problem)}</p>\n' if problem else ""
    html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{"Error: " if problem else ""}{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{alarm}{body}
</main>
</body>
</html>
"""
    forms = "'self'"
    if view is not None and view.return_to:
        forms += f" {origin_of(view.return_to)}"  # where a form leads to counts, redirects included
    answer = page(html, status=status, style=_HASH, forms=forms)
    # Under `no-referrer` a browser sends `Origin: null` with our own forms, and they would be refused.
    return Answer(answer.status, answer.body, {**answer.headers, "Referrer-Policy": "same-origin"})
