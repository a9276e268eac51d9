# mypy: disable-error-code="import-untyped"
"""A person who lets a client act for them: the authorization code flow with PKCE, as a browser goes through it.

The client's part is done by Authlib's own client, the browser's by a session that keeps cookies, follows redirects up
to the client's callback, and fills in the forms on its way.
"""

import html
import re
import warnings
from typing import Any, Final
from urllib.parse import quote_plus, urljoin

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from tests.providers.clients import ALGORITHMS, CALLBACK, METHODS, USER
from tests.providers.provider import Provider

PAGES: Final = 12
"""Redirects and forms that a sign-in may take."""
_FORM: Final = re.compile(r"<form\b(.*?)>(.*?)</form>", re.DOTALL)
_INPUT: Final = re.compile(r"<input\b(.*?)/?>", re.DOTALL)
_ATTRIBUTE: Final = re.compile(r'([a-z]+)="(.*?)"', re.DOTALL)


def sign_in(url: str) -> str:
    """Open the page, sign in, agree to everything, and return the address that leads back to the client."""
    with requests.Session() as browser:
        answer = browser.get(url, allow_redirects=False)
        for _ in range(PAGES):
            if answer.is_redirect:
                url = urljoin(url, answer.headers["Location"])
                if url.startswith(CALLBACK):
                    return url
                answer = browser.get(url, allow_redirects=False)
            else:
                assert answer.ok, (answer.status_code, answer.text)
                url, fields = _filled_in(url, answer.text)
                answer = browser.post(url, data=fields, allow_redirects=False)
    raise AssertionError(f"signing in does not end: {url}")


def _filled_in(url: str, page: str) -> tuple[str, dict[str, str]]:
    """Return where a page's form goes, and its fields with the person's name in the empty ones."""
    found = _FORM.search(page)
    assert found, page
    action = dict(_ATTRIBUTE.findall(found[1])).get("action", url)
    fields = [dict(_ATTRIBUTE.findall(text)) for text in _INPUT.findall(found[2])]
    return urljoin(url, html.unescape(action)), {
        field["name"]: field.get("value") or USER for field in fields if "name" in field
    }


def consent(provider: Provider, client: str, scope: str = "openid offline_access read") -> dict[str, Any]:
    """Return what the client gets for the code that the person brings: its first tokens."""
    verifier = generate_token(48)
    at, identities = provider.at, provider.identities
    certified = client in {"vouched", "registered"}
    session = OAuth2Session(
        client,
        _proof(provider, client),
        "none" if certified else METHODS[client],
        scope=scope,
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        prompt="consent",
    )
    if client in ALGORITHMS:
        signer = ClientSecretJWT if client == "hs256" else PrivateKeyJWT
        session.register_client_auth_method(signer(at.token, alg=ALGORITHMS[client]))
    with session, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="EdDSA is deprecated")  # its library would rather say Ed25519
        url, _ = session.create_authorization_url(at.authorize, code_verifier=verifier, prompt="consent")
        shown = (identities.certificate_file(client), identities.key_file(client)) if certified else None
        tokens: dict[str, Any] = session.fetch_token(
            at.tokenWithCertificate if certified else at.token,
            authorization_response=sign_in(url),
            code_verifier=verifier,
            verify=str(identities.authority_file),
            cert=shown and tuple(map(str, shown)),
        )
    return tokens


def _proof(provider: Provider, client: str) -> Any:
    """Return what the client proves itself with, as its own library wants it."""
    secret = provider.secret(client)
    if client == "basic":
        return quote_plus(secret)  # which that library leaves to us
    if client == "post":
        return secret
    if client == "hs256":
        return OctKey.import_key(secret)
    if client in ALGORITHMS:
        kinds: dict[str, type[ECKey | OKPKey]] = {"es256": ECKey, "eddsa": OKPKey}
        return kinds.get(client, RSAKey).import_key(provider.identities.key_file(client).read_bytes())
    return ""
