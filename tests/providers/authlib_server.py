# mypy: disable-error-code="import-untyped,misc,no-any-return,untyped-decorator"
"""An OAuth 2 authorization server of Authlib's parts, with an API that its tokens open: a program of its own.

`python -m tests.providers.authlib_server` reads its setup from the first line on stdin, answers with its addresses, and
ends when stdin does, as oidc/server.mjs does. Its issuer has a path, so its metadata are where RFC 8414 §3.1 puts them.
A person signs in with a name alone.
"""

import json
import logging
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants, list_to_scope, scope_to_list
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from flask import Flask, Response, jsonify, request
from joserfc.jwk import KeySet, OctKey
from werkzeug.serving import make_server

ASSERTED = JWTBearerClientAssertion.CLIENT_AUTH_METHOD
"""What Authlib calls both methods in which a client signs."""
METHODS = ["client_secret_basic", "client_secret_post", ASSERTED, "none"]
SIGNING = {"client_secret_jwt", "private_key_jwt"}
ALGORITHMS = ["HS256", "RS256", "ES256"]


@dataclass
class Client(ClientMixin):
    """A client, as it was registered (RFC 7591)."""

    metadata: dict[str, Any]

    def get_client_id(self) -> str:
        return str(self.metadata["client_id"])

    def get_default_redirect_uri(self) -> str:
        return str(self.metadata["redirect_uris"][0])

    def get_allowed_scope(self, scope: str | None) -> str:
        allowed = self.metadata["scope"].split()
        return str(list_to_scope([one for one in scope_to_list(scope or "") if one in allowed]))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.metadata["redirect_uris"]

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(self.metadata.get("client_secret", "").encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        registered = self.metadata["token_endpoint_auth_method"]
        return endpoint != "token" or method == (ASSERTED if registered in SIGNING else registered)

    def check_response_type(self, response_type: str) -> bool:
        return response_type in self.metadata["response_types"]

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.metadata["grant_types"]


@dataclass
class Token(TokenMixin):
    """An access token, and the refresh token that came with it."""

    client: Client
    user: str | None
    audience: str | None
    reply: dict[str, Any]
    issued_at: float = field(default_factory=time.time)
    revoked: bool = False

    def check_client(self, client: Client) -> bool:
        return self.client is client

    def get_scope(self) -> str:
        return str(self.reply.get("scope") or "")

    def get_expires_in(self) -> int:
        return int(self.reply["expires_in"])

    def is_expired(self) -> bool:
        return time.time() >= self.issued_at + self.get_expires_in()

    def is_revoked(self) -> bool:
        return self.revoked

    def get_user(self) -> str | None:
        return self.user

    def get_client(self) -> Client:
        return self.client


@dataclass
class Code:
    """What a person has agreed to."""

    client: Client
    user: str
    scope: str
    redirect_uri: str
    code_challenge: str | None
    code_challenge_method: str | None

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


setup: dict[str, Any] = json.loads(sys.stdin.readline())
clients = {one["client_id"]: Client(one) for one in setup["clients"]}
tokens: dict[str, Token] = {}
refresh_tokens: dict[str, Token] = {}
codes: dict[str, Code] = {}
used_assertions: set[str] = set()

app = Flask(__name__)
listener = make_server("127.0.0.1", 0, app, threaded=True)
origin = f"http://127.0.0.1:{listener.port}"
issuer = f"{origin}/tenant"
token_url = f"{issuer}/token"


def save_token(reply: dict[str, Any], asked: Any) -> None:
    token = Token(asked.client, asked.user, asked.form.get("resource"), reply)
    tokens[reply["access_token"]] = token
    if "refresh_token" in reply:
        refresh_tokens[reply["refresh_token"]] = token


class ClientAssertion(JWTBearerClientAssertion):
    """A client that signs (RFC 7523 §2.2): with its own key, or with the secret that it shares with us."""

    def get_audiences(self) -> list[str]:
        return [issuer, token_url]

    def validate_jti(self, claims: dict[str, Any], jti: str) -> bool:
        is_new = jti not in used_assertions
        used_assertions.add(jti)
        return is_new

    def resolve_client_public_key(self, client: Client) -> KeySet | OctKey:
        return _key(client)


def _key(client: Client) -> KeySet | OctKey:
    if "jwks" in client.metadata:
        return KeySet.import_key_set(client.metadata["jwks"])
    return OctKey.import_key(client.metadata.get("client_secret", secrets.token_hex()))


class Asking:
    """What the grants have in common."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


class ClientCredentials(Asking, grants.ClientCredentialsGrant):
    """RFC 6749 §4.4."""


class Password(Asking, grants.ResourceOwnerPasswordCredentialsGrant):
    """RFC 6749 §4.3."""

    def authenticate_user(self, username: str, password: str) -> str | None:
        return username if setup["users"].get(username) == password else None


class RefreshToken(Asking, grants.RefreshTokenGrant):
    """RFC 6749 §6, each one good for one use."""

    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        return refresh_tokens.get(refresh_token)

    def authenticate_user(self, refresh_token: Token) -> str | None:
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: Token) -> None:
        del refresh_tokens[refresh_token.reply["refresh_token"]]


class AuthorizationCode(Asking, grants.AuthorizationCodeGrant):
    """RFC 6749 §4.1."""

    def save_authorization_code(self, code: str, asked: Any) -> None:
        data = asked.payload.data
        challenge, method = data.get("code_challenge"), data.get("code_challenge_method")
        codes[code] = Code(asked.client, asked.user, asked.scope, asked.payload.redirect_uri, challenge, method)

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found = codes.get(code)
        return found if found and found.client is client else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        for code in [code for code, known in codes.items() if known is authorization_code]:
            del codes[code]

    def authenticate_user(self, authorization_code: Code) -> str:
        return authorization_code.user


class JwtBearer(JWTBearerGrant):
    """RFC 7523 §2.1; the client is whoever signed the assertion."""

    def resolve_issuer_client(self, issuer: str) -> Client | None:
        return clients.get(issuer)

    def resolve_client_public_key(self, client: Client) -> KeySet | OctKey:
        return _key(client)

    def authenticate_user(self, subject: str) -> str | None:
        return subject if subject in setup["users"] else None

    def has_granted_permission(self, client: Client, user: str) -> bool:
        return True

    def get_audiences(self) -> list[str]:
        return [issuer, token_url]


class Revocation(RevocationEndpoint):
    """RFC 7009."""

    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        return tokens.get(token_string) or refresh_tokens.get(token_string)

    def revoke_token(self, token: Token, asked: Any) -> None:
        token.revoked = True


class Validator(BearerTokenValidator):
    """Knows our own tokens."""

    def authenticate_token(self, token_string: str) -> Token | None:
        return tokens.get(token_string)


app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
server = AuthorizationServer(app, clients.get, save_token)
for grant in (ClientCredentials, Password, RefreshToken, JwtBearer):
    server.register_grant(grant)
server.register_grant(AuthorizationCode, [CodeChallenge(required=True)])
server.register_endpoint(Revocation)
server.register_client_auth_method(ASSERTED, ClientAssertion())
protector = ResourceProtector()
protector.register_token_validator(Validator())


@app.get(get_well_known_url(issuer))
def metadata() -> Response:
    document = AuthorizationServerMetadata(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/authorize",
        token_endpoint=token_url,
        revocation_endpoint=f"{issuer}/revoke",
        grant_types_supported=[grant.GRANT_TYPE for grant, _ in server._token_grants],
        response_types_supported=["code"],
        code_challenge_methods_supported=["S256"],
        token_endpoint_auth_methods_supported=sorted({*METHODS, *SIGNING} - {ASSERTED}),
        token_endpoint_auth_signing_alg_values_supported=ALGORITHMS,
    )
    return jsonify(document)


@app.post("/tenant/token")
def issue_token() -> Response:
    return server.create_token_response()


@app.post("/tenant/revoke")
def revoke() -> Response:
    return server.create_endpoint_response("revocation")


@app.route("/tenant/authorize", methods=["GET", "POST"])
def authorize() -> Response | str:
    grant = server.get_consent_grant(end_user=request.form.get("login"))
    if request.method == "GET":
        return '<form method="post">Name: <input name="login"><button type="submit">Sign in and allow</button></form>'
    return server.create_authorization_response(grant_user=request.form["login"], grant=grant)


@app.route("/api", defaults={"rest": ""}, methods=["GET", "POST", "PUT"])
@app.route("/api/<path:rest>", methods=["GET", "POST", "PUT"])
@protector()
def api(rest: str) -> Response:
    token: Token = current_token
    shown = token.reply["access_token"]
    client = token.client.get_client_id()
    return jsonify(client=client, user=token.user, audience=token.audience, scope=token.get_scope(), token=shown)


@app.post("/forget")
def forget() -> tuple[Response, int]:
    token = tokens.pop(request.form["token"], None)
    if token is not None and "consent" in request.form:
        refresh_tokens.pop(token.reply.get("refresh_token", ""), None)
    return jsonify({}), 404 if token is None else 200


def addresses() -> Iterator[tuple[str, str]]:
    yield "issuer", issuer
    yield "token", token_url
    yield "authorize", f"{issuer}/authorize"
    yield "api", f"{origin}/api"
    yield "forget", f"{origin}/forget"


if __name__ == "__main__":
    logging.getLogger("werkzeug").disabled = True
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    sys.stdout.write(json.dumps(dict(addresses())) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)
