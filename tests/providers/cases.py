"""Every grant with every way in which a client proves itself, as credentials of Countersign's configuration."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.providers.clients import ALGORITHMS, METHODS, PASSWORD, RESOURCE, USER
from tests.providers.provider import AuthlibProvider, OidcProvider, Provider

PROVIDERS: Final[dict[str, type[Provider]]] = {kind.name: kind for kind in (OidcProvider, AuthlibProvider)}
GRANTS: Final = ("client_credentials", "password", "refresh_token", "jwt_bearer", "token_exchange")
CLIENT_AUTH: Final = {
    "basic": "basic",
    "post": "post",
    "hs256": "client_secret_jwt",
    "rs256": "private_key_jwt",
    "ps256": "private_key_jwt",
    "es256": "private_key_jwt",
    "eddsa": "private_key_jwt",
    "vouched": "mtls",
    "registered": "mtls",
    "public": "none",
}
"""What Countersign calls the ways."""
Settings = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    provider: str
    grant: str
    client: str

    def __str__(self) -> str:
        return f"{self.provider}-{self.grant}-{self.client}"


def _cases() -> Iterator[Case]:
    for provider, kind in PROVIDERS.items():
        for grant in GRANTS:
            for client in METHODS:
                if client in kind.clients and _is_implemented(provider, grant, client):
                    yield Case(provider, grant, client)


def _is_implemented(provider: str, grant: str, client: str) -> bool:
    """Return False for what Authlib's server has not: token exchange, and any client of an assertion but its signer."""
    if provider == "authlib" and grant == "jwt_bearer":
        return CLIENT_AUTH[client] == "private_key_jwt"
    return (provider, grant) != ("authlib", "token_exchange")


CASES: Final = tuple(_cases())
FALSIFIED: Final = tuple(case for case in CASES if case.client not in {"rs256", "ps256", "eddsa"})
"""Those that are also tried with what is not the client's, or worth nothing; a false signature is one, however made."""


class Credentials:
    """Writes the settings of a provider's cases.

    `tokens`: what each client got with a person's consent. `withdrawn`: what the public client got with a consent that
    does not last.
    """

    def __init__(
        self, provider: Provider, tokens: Mapping[str, Mapping[str, Any]], withdrawn: Mapping[str, Any]
    ) -> None:
        self._provider = provider
        self._tokens = tokens
        self._withdrawn = withdrawn

    def right(self, case: Case) -> Settings:
        """Return settings with which the provider gives tokens."""
        return {**self._place(case), **self._client(case.client), **self._grant(case)}

    def wrong_client(self, case: Case) -> Settings:
        """Return those of somebody who poses as the client."""
        return self.right(case) | self._impostor(case.client)

    def wrong_grant(self, case: Case) -> Settings:
        """Return those of a client whose grant is not believed."""
        return self.right(case) | self._worthless(case)

    def route(self, settings: Settings) -> Settings:
        """Return where requests with that credential go, and how."""
        if settings.get("client_id") != "vouched":
            return {"upstream": self._provider.at.api}
        # its tokens are bound to its certificate (RFC 8705 §3)
        return {"upstream": self._provider.at.apiWithCertificate, "tls": self._client("vouched")["tls"]}

    def _place(self, case: Case) -> Settings:
        at = self._provider.at
        url = at.tokenWithCertificate if CLIENT_AUTH[case.client] == "mtls" else at.token
        return {"kind": case.grant, "token_url": url, "allow_plain_http": True}

    def _client(self, client: str) -> Settings:
        proof = {"client_id": client, "client_auth": CLIENT_AUTH[client]}
        identities = self._provider.identities
        if CLIENT_AUTH[client] == "mtls":
            certificate, key = identities.certificate_file(client), identities.key_file(client)
            return proof | {
                "tls": {"certificate": str(certificate), "key": str(key), "ca": str(identities.authority_file)}
            }
        if CLIENT_AUTH[client] == "private_key_jwt":
            key_setting = f"${{file:{identities.key_file(client)}}}"
            return proof | {"client_assertion": {"key": key_setting, "kid": client, "algorithm": ALGORITHMS[client]}}
        return proof | ({"client_secret": secret} if (secret := self._provider.secret(client)) else {})

    def _impostor(self, client: str) -> Settings:
        identities = self._provider.identities
        if CLIENT_AUTH[client] == "mtls":
            (other,) = {"vouched", "registered"} - {client}
            return {"tls": self._client(other)["tls"]}
        if CLIENT_AUTH[client] == "private_key_jwt":
            signing = self._client(client)["client_assertion"]
            return {"client_assertion": signing | {"key": f"${{file:{identities.stranger_key_file(client)}}}"}}
        return {"client_secret": "not the secret of that client"} if client != "public" else {"client_id": "nobody"}

    def _grant(self, case: Case) -> Settings:
        tokens = self._tokens[case.client]
        grants: dict[str, Settings] = {
            "client_credentials": {},
            "password": {"username": USER, "password": PASSWORD, "scope": "read offline_access"},
            "refresh_token": {"refresh_token": tokens["refresh_token"]},
            "jwt_bearer": {"assertion": self._assertion(case)},
            "token_exchange": {"subject_token": tokens["access_token"], "subject_token_type": "access_token"},
        }
        return grants[case.grant]

    def _assertion(self, case: Case) -> Settings:
        signer = case.client if case.provider == "authlib" else "es256"
        key = f"${{file:{self._provider.identities.key_file(signer)}}}"
        return {"iss": signer, "sub": USER, "kid": signer, "key": key}

    def _worthless(self, case: Case) -> Settings:
        assertion = self._assertion(case)
        if case.grant == "jwt_bearer":
            signer = assertion["iss"]
            assertion["key"] = f"${{file:{self._provider.identities.stranger_key_file(signer)}}}"
        grants: dict[str, Settings] = {
            "password": {"password": "not the password"},
            "refresh_token": {"refresh_token": "no-such-token"},
            "jwt_bearer": {"assertion": assertion},
            "token_exchange": {"subject_token": "no-such-token"},
        }
        return grants[case.grant]

    def extras(self) -> dict[str, Settings]:
        """Return settings that are not of the table, by the name of what is shown with them."""
        at, client = self._provider.at, self._client
        own = {"kind": "client_credentials", "allow_plain_http": True}
        found = own | {"issuer": at.issuer}
        resource = {"token_url": at.token, **client("post"), "scope": "read", "parameters": {"resource": RESOURCE}}
        extras: dict[str, Settings] = {
            "discovered-basic": found | client("basic"),
            "discovered-es256": found | client("es256"),
            "discovered-amiss": found | client("basic") | {"issuer": f"{at.issuer}/"},
            "resource": own | resource,
            "resource-unknown": own | resource | {"parameters": {"resource": "https://elsewhere.example"}},
        }
        by_consent = self.right(Case(self._provider.name, "refresh_token", "public"))
        extras["refresh-consent"] = by_consent | {"refresh_token": self._withdrawn["refresh_token"]}
        extras["password-consent"] = self.right(Case(self._provider.name, "password", "public"))
        if at.tokenWithCertificate:
            extras["discovered-vouched"] = found | client("vouched")
            exchange = self.right(Case(self._provider.name, "token_exchange", "post"))
            actor = {"actor_token": exchange["subject_token"], "actor_token_type": "access_token"}
            extras["exchange-resource"] = exchange | actor | {"scope": "read", "resource": RESOURCE}
        return extras


def configuration(credentials: Mapping[str, Settings], routes: Mapping[str, Settings]) -> str:
    """Return a configuration with a route for each credential, under its name, with the settings of that name."""
    routed = {
        name: {"match": {"path": f"/{name}/"}, "credential": name, "callers": ["here"], **routes[name]}
        for name in credentials
    }
    parts = {"callers": {"here": {"kind": "anonymous"}}, "credentials": credentials, "routes": routed}
    return "\n".join(f"{name}: {json.dumps(part)}" for name, part in parts.items())
