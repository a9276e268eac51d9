"""What is wrong between users and what is done on their behalf."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from proxy.config.positions import Loc
from proxy.config.schema import Config
from proxy.credentials.authorization_code import AuthorizationCodeSettings
from proxy.credentials.base import CredentialSettings
from proxy.credentials.workflow import WorkflowSettings

Found = tuple[Loc, str]


def personal_flaws(config: Config) -> Iterator[Found]:
    """Yield a place and what is wrong there."""
    personal = [name for name, settings in config.credentials.items() if settings.per_user]
    if config.users is None:
        for name in personal:
            yield (
                ("credentials", name, "per_user"),
                "nothing says who users are; add a section `users` with an identity_secret or an issuer",
            )
    elif not (config.users.identity_secret or config.users.issuers or _trusted(config)):
        why = "no user can prove who they are; give an identity_secret or an issuer, or let a caller act for users"
        yield ("users",), f"{why}: `acts_for: any`"
    yield from _nowhere_to_sign_in(config)
    for name, route in config.routes.items():
        if route.require and (missing := _missing(config)):
            yield ("routes", name, "require"), missing


def _nowhere_to_sign_in(config: Config) -> Iterator[Found]:
    """Yield credentials that need a browser, where nothing says how browsers reach us."""
    for name, settings in config.credentials.items():
        if settings.signs_in and (config.users is None or config.users.public_url is None):
            section = "a section `users` with a `public_url`" if config.users is None else "`public_url` to `users`"
            yield (
                ("credentials", name),
                f"people sign in for it in a browser, and no browser would find us; add {section}",
            )


def _missing(config: Config) -> str:
    """Return what has to be added before codes can be sent to users; empty: nothing."""
    if config.users is None:
        return "nothing says who users are; add a section `users` with an identity_secret or an issuer"
    if config.users.public_url is None:
        return "users would not find the page on which they type the code; add `public_url` to `users`"
    return "" if config.users.mail else "no mail server is there to send codes; add `mail` to `users`"


def _trusted(config: Config) -> bool:
    return any(caller.acts_for == "any" for caller in config.callers.values())


def mixable(config: Config) -> Iterator[Found]:
    """Yield credentials whose provider's answers could be taken for another's (RFC 9700 §4.4), and what to do."""
    providers = {name: at for name, settings in config.credentials.items() if (at := _comes_back_from(settings))}
    for name, at in providers.items():
        settings = config.credentials[name]
        others = sorted(other for other, its in providers.items() if its != at)
        if not others or (isinstance(settings, AuthorizationCodeSettings) and settings.issuer is not None):
            continue
        loc: Loc = ("credentials", name)
        remedy = "say `callback: own`, and register that address with the provider"
        if isinstance(settings, WorkflowSettings):
            loc = (*loc, "steps", len(settings.steps) - 1, "browser")
        else:
            remedy += "; or give its `issuer`, if it says who it is"
        why = f"people come back from here and from {others[0]} to one address, so that answers can be mixed up"
        yield loc, f"{why}; {remedy}"


def _comes_back_from(settings: CredentialSettings) -> frozenset[str]:
    """Return the origins from which people come back to the address of all; none: they do not."""
    if isinstance(settings, AuthorizationCodeSettings) and settings.callback == "shared":
        parts = urlsplit(settings.authorization_url or settings.provider)
        return frozenset({f"{parts.scheme}://{parts.netloc}"})
    browser = settings.browser if isinstance(settings, WorkflowSettings) else None
    return browser.origins if browser is not None and browser.callback == "shared" else frozenset()
