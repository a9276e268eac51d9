"""Who asks the providers for tokens: users, keys, certificates, and one client per way to prove itself (RFC 7591)."""

import base64
import ssl
from pathlib import Path
from typing import Any, Final

import trustme
from joserfc.jwk import ECKey, OKPKey, RSAKey

USER: Final = "ada"
PASSWORD: Final = "a pass:word of/the +user=%41&"
USERS: Final = {USER: PASSWORD}
SECRET: Final = "a-secret-of-the-client-that-is-long-enough-for-hs256"
"""Reads the same to providers that decode the header Authorization and to those that do not."""
AWKWARD_SECRET: Final = "a secret: of/the +client=%41, long enough for HS256"
"""Reads right to providers that decode it (RFC 6749 §2.3.1)."""
CALLBACK: Final = "http://127.0.0.1/callback"
RESOURCE: Final = "https://api.countersign.example/v1"
"""The resource indicator that the providers know (RFC 8707)."""
CLIENT_HOST: Final = "client.countersign.example"
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
GRANTS: Final = ("authorization_code", "client_credentials", "password", "refresh_token", JWT_BEARER, TOKEN_EXCHANGE)

METHODS: Final = {
    "basic": "client_secret_basic",
    "post": "client_secret_post",
    "hs256": "client_secret_jwt",
    "rs256": "private_key_jwt",
    "ps256": "private_key_jwt",
    "es256": "private_key_jwt",
    "eddsa": "private_key_jwt",
    "vouched": "tls_client_auth",
    "registered": "self_signed_tls_client_auth",
    "public": "none",
}
"""The id of each client, and how it proves itself."""
ALGORITHMS: Final = {"hs256": "HS256", "rs256": "RS256", "ps256": "PS256", "es256": "ES256", "eddsa": "EdDSA"}
"""Of the clients that sign: with which algorithm."""


class Identities:
    """Keys and certificates, made anew for each run of the tests, as files in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.authority = trustme.CA()
        """Vouches for the provider's certificate, and for that of the client `vouched`."""
        self.authority_file = directory / "authority.pem"
        self.authority.cert_pem.write_to_path(str(self.authority_file))
        rsa = RSAKey.generate_key(2048)
        self._keys: dict[str, RSAKey | ECKey | OKPKey] = {
            "rs256": rsa,
            "ps256": rsa,
            "es256": ECKey.generate_key("P-256"),
            "eddsa": OKPKey.generate_key("Ed25519"),
        }
        for client, key in self._keys.items():
            self.key_file(client).write_bytes(key.as_pem(private=True))
        self._write_strangers()
        for client, authority in (("vouched", self.authority), ("registered", trustme.CA())):
            pair = authority.issue_cert(CLIENT_HOST)
            pair.private_key_pem.write_to_path(str(self.key_file(client)))
            pair.cert_chain_pems[0].write_to_path(str(self.certificate_file(client)))

    def key_file(self, client: str) -> Path:
        """Return the file with that client's private key, PEM."""
        return self._directory / f"{client}.key"

    def certificate_file(self, client: str) -> Path:
        """Return the file with that client's certificate, PEM."""
        return self._directory / f"{client}.pem"

    def stranger_key_file(self, client: str) -> Path:
        """Return the file with a key of the same type that the providers do not know."""
        return self._directory / f"stranger-{self._keys[client].key_type}.key"

    def public_key(self, client: str) -> dict[str, Any]:
        """Return that client's public key as a JWK."""
        return {**self._keys[client].as_dict(private=False), "kid": client, "alg": ALGORITHMS[client], "use": "sig"}

    def registered_key(self) -> dict[str, Any]:
        """Return the JWK of a certificate that the provider knows by itself, whoever issued it (RFC 8705 §2.2)."""
        der = ssl.PEM_cert_to_DER_cert(self.certificate_file("registered").read_text())
        key = ECKey.import_key(self.key_file("registered").read_bytes())
        return {**key.as_dict(private=False), "x5c": [base64.b64encode(der).decode()]}

    def clients(self, basic_secret: str) -> list[dict[str, Any]]:
        """Return every client as it is registered; `basic_secret` is that of the client `basic`."""
        return [{**_registration(client), **self._proof(client, basic_secret)} for client in METHODS]

    def _write_strangers(self) -> None:
        for key in (RSAKey.generate_key(2048), ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")):
            (self._directory / f"stranger-{key.key_type}.key").write_bytes(key.as_pem(private=True))

    def _proof(self, client: str, basic_secret: str) -> dict[str, Any]:
        if client in self._keys:
            return {"jwks": {"keys": [self.public_key(client)]}}
        proofs: dict[str, dict[str, Any]] = {
            "basic": {"client_secret": basic_secret},
            "post": {"client_secret": AWKWARD_SECRET},
            "hs256": {"client_secret": AWKWARD_SECRET},
            "vouched": {"tls_client_auth_san_dns": CLIENT_HOST, "tls_client_certificate_bound_access_tokens": True},
            "registered": {"jwks": {"keys": [self.registered_key()]}},
            "public": {},
        }
        return proofs[client]


def _registration(client: str) -> dict[str, Any]:
    signing = {"token_endpoint_auth_signing_alg": ALGORITHMS[client]} if client in ALGORITHMS else {}
    return {
        **signing,
        "client_id": client,
        "token_endpoint_auth_method": METHODS[client],
        "grant_types": list(GRANTS),
        "response_types": ["code"],
        "redirect_uris": [CALLBACK],
        "scope": "openid offline_access read write",
    }
