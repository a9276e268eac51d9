"""The frame of every page that people see here: one style, one main part, and nothing that is loaded from elsewhere.

A page works without scripts, on narrow screens, in the dark, by keys alone and by ear. What stands in it is allowed by
its hash, and nothing else is.
"""

import base64
import hashlib
from html import escape
from typing import Final

from proxy.users.portal import Answer, page

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #fff; --quiet: #54545c; --line: #767680; --deed: #0b57d0;
  --on-deed: #fff; --alarm: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6ea; --paper: #16161a; --quiet: #b4b4bc; --line: #8a8a94;
  --deed: #a8c7fa; --on-deed: #062e6f; --alarm: #ffb4ab; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.5 system-ui, sans-serif; }
main { max-width: 28rem; margin: 8vh auto 0; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
p { margin: 0 0 1rem; overflow-wrap: anywhere; }
a { color: var(--deed); }
dl { margin: 0 0 1rem; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: .375rem; }
dt { color: var(--quiet); font-size: .9375rem; }
dd { margin: 0 0 .5rem; font-weight: 600; overflow-wrap: anywhere; }
dd:last-child { margin: 0; }
label { display: block; font-weight: 600; margin-bottom: .25rem; }
input { font: 1.5rem/1.2 ui-monospace, monospace; letter-spacing: .2em; width: 100%; padding: .625rem .75rem;
  margin-bottom: 1rem; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: .375rem; }
input[aria-invalid] { border-color: var(--alarm); }
button, a.deed { display: block; font: inherit; font-weight: 600; text-align: center; text-decoration: none;
  width: 100%; min-height: 2.75rem; padding: .5rem 1rem; cursor: pointer; border: 1px solid var(--deed);
  border-radius: .375rem; background: var(--deed); color: var(--on-deed); }
button.second { background: transparent; color: var(--deed); margin-top: .75rem; }
:focus-visible { outline: 3px solid var(--deed); outline-offset: 2px; }
.hint { color: var(--quiet); font-size: .9375rem; }
label + .hint { margin-bottom: .5rem; }
form + .hint { margin-top: 1rem; }
.alarm { color: var(--alarm); font-weight: 600; }
"""


def digest(text: str) -> str:
    """Return the hash by which a policy allows a style or a script that stands in the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_STYLE_HASH: Final = digest(STYLE)


def framed(
    title: str,
    body: str,
    *,
    problem: str = "",
    head: str = "",
    forms: str = "'none'",
    script: str = "",
    status: int = 200,
) -> Answer:
    """Return a page. `body` and `head` are HTML, `title` and `problem` are text.

    `problem` is what went wrong, said first; `forms` where its forms may lead to; `script` the digest of its script.
    """
    alarm = f'<p class="alarm" role="alert" id="problem">{escape(problem)}</p>\n' if problem else ""
    html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
{head}<title>{"Error: " if problem else ""}{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{alarm}{body}
</main>
</body>
</html>
"""
    answer = page(html, status=status, style=_STYLE_HASH, forms=forms, script=script)
    # Under `no-referrer` a browser sends `Origin: null` with our own forms, and they would be refused.
    return Answer(answer.status, answer.body, {**answer.headers, "Referrer-Policy": "same-origin"})
