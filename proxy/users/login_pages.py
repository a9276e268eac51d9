"""What people see when they sign in: plain pages, of which one has a script, because only that can read a fragment.

No page repeats anything that came with the address. Who the access is for is shown so that its owner knows themselves,
and a stranger learns little.
"""

from dataclasses import dataclass
from html import escape
from typing import Final

from proxy.users.page_frame import digest, framed
from proxy.users.portal import Answer
from proxy.users.registry import User
from proxy.users.return_to import origin_of

_SCRIPT: Final = """
document.getElementById('unscripted').hidden = true;
const brought = new URLSearchParams(location.search);
for (const [name, value] of new URLSearchParams(location.hash.slice(1))) brought.append(name, value);
history.replaceState(null, '', location.pathname);
const form = document.getElementById('brought');
for (const [name, value] of brought) {
  const field = document.createElement('input');
  field.type = 'hidden';
  field.name = name;
  field.value = value;
  form.append(field);
}
if (brought.size) HTMLFormElement.prototype.submit.call(form);
else document.getElementById('nothing').hidden = false;
"""
_SCRIPT_HASH: Final = digest(_SCRIPT)


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked before they are sent away."""

    service: str
    user: User | None
    """On whose behalf the access will be used; None: everybody's who may use the credential."""
    ordered_by: str
    ticket: str
    token: str
    """What our own form carries."""
    return_to: str = ""
    is_another: bool = False
    """This browser is known to be another user's."""


def asking(question: Question) -> Answer:
    """Return the page that says what is about to happen, and asks."""
    about = {"Service": question.service, "On behalf of": _whose(question)}
    if question.ordered_by:
        about["Asked for by"] = question.ordered_by
    rows = "\n".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in about.items())
    hidden = {"ticket": question.ticket, "token": question.token, "return_to": question.return_to}
    fields = "\n".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in hidden.items() if value
    )
    alarm = ""
    if question.is_another:
        alarm = '<p class="alarm" role="alert">Somebody else has signed in with this browser. Is this really you?</p>\n'
    body = f"""{alarm}<p>You are about to sign in, and to let the application that sent you here use your account
there.</p>
<dl>
{rows}
</dl>
<form method="post">
{fields}
<button>Continue</button>
</form>
<p class="hint">Go on only if this is you, and you have just asked for it yourself. If somebody sent you this link,
close this page: what you allow would be theirs to use.</p>"""
    return framed(f"Sign in to {question.service}?", body, forms="'self'")


def leaving(service: str, address: str) -> Answer:
    """Return the page that leads away: a redirect that follows a form would be held to where forms may go."""
    body = f'<p>You are taken to the service.</p>\n<p><a class="deed" href="{escape(address)}">Continue</a></p>'
    return framed(f"On to {service}", body, head=_refresh(address))


def signed_in() -> Answer:
    """Return the page at the end, where there is nothing to lead to."""
    return framed("You are signed in", "<p>You can close this window.</p>")


def going_back(address: str) -> Answer:
    """Return the page that leads to where the person came from."""
    link = f'<p><a class="deed" href="{escape(address)}">Continue</a></p>'
    return framed("Thank you", f"<p>You are taken back.</p>\n{link}", head=_refresh(address))


def refused(sentence: str, *, return_to: str = "", status: int = 400) -> Answer:
    """Return the page that says why it did not work."""
    back = "<p>Go back to where you came from, and try again.</p>"
    if return_to:
        back = f'<p><a class="deed" href="{escape(return_to)}">Back to {escape(origin_of(return_to))}</a></p>'
    return framed("Signing in did not work", back, problem=sentence, status=status)


def fragment() -> Answer:
    """Return the page that hands us what stands behind the `#` of its address, which browsers keep to themselves."""
    body = f"""<form id="brought" method="post"></form>
<p id="nothing" class="alarm" hidden>The service has sent nothing. Go back to where you came from, and try again.</p>
<p id="unscripted" class="alarm">This step needs JavaScript: the service answers in a part of the address that only a
script can read.</p>
<script>{_SCRIPT}</script>"""
    return framed("One moment", body, forms="'self'", script=_SCRIPT_HASH)


def _whose(question: Question) -> str:
    if question.user is None:
        return "everybody who uses this connection"
    user = question.user
    known = [masked_name(user.name)] if user.name else []
    known += [masked_email(user.email)] if user.email else []
    return ", ".join(known) or masked(user.id)


def masked(text: str) -> str:
    """Return the beginning of a text, by which its owner may know it."""
    return f"{text[:2]}…" if len(text) > 2 else f"{text[:1]}…"


def masked_name(name: str) -> str:
    """Return the beginnings of a name's words."""
    return " ".join(map(masked, name.split()))


def masked_email(email: str) -> str:
    """Return an address with the beginning of its mailbox, and its domain."""
    box, _, domain = email.rpartition("@")
    return f"{masked(box)}@{domain}"


def _refresh(address: str) -> str:
    return f'<meta http-equiv="refresh" content="0; url={escape(address)}">\n'
