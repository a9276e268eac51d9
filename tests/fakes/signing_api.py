"""An API that wants its requests signed, or its key in their bodies, and believes a key only while its issuer does.

`/hmac` wants `Authorization: HMAC id:signature`, `/form` and `/json` want a field, everything below `/aws` wants an AWS
signature, which is held against what botocore makes of the same request. What it has taken is in `taken`.
"""

import hashlib
import hmac
import json
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.fakes.served import Served
from tests.fakes.token_server import TokenServer

REGION: Final = "eu-central-1"
UNSIGNED: Final = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True)
class Taken:
    """A request that was believed or not."""

    path: str
    status: int
    digest: str
    """The body's SHA-256."""
    headers: dict[str, str]


@dataclass
class SigningApi(Served):
    """Listens on a loopback port while its block runs."""

    issuer: TokenServer
    taken: list[Taken] = field(default_factory=list)

    def app(self) -> web.Application:
        """Return what judges every request."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self._answer)
        return app

    @property
    def _keys(self) -> list[str]:
        """Return every key that counts now."""
        return [key for key in self.issuer.issued if self.issuer.is_valid(key)]

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        kind = request.path.split("/")[1]
        believes = {"hmac": _hmac, "form": _form, "json": _json, "aws": _aws}[kind]
        status = 200 if any(believes(request, body, key) for key in self._keys) else 401
        digest = hashlib.sha256(body).hexdigest()
        self.taken.append(Taken(request.raw_path, status, digest, dict(request.headers)))
        return web.Response(status=status)


def _hmac(request: web.Request, body: bytes, key: str) -> bool:
    text = "\n".join((request.method, request.raw_path, request.headers["X-Date"], hashlib.sha256(body).hexdigest()))
    signature = b64encode(hmac.digest(key.encode(), text.encode(), "sha256")).decode()
    return request.headers.getall("Authorization") == [f"HMAC me:{signature}"]


def _form(request: web.Request, body: bytes, key: str) -> bool:
    return f"api_key={key}" in body.decode().split("&") and body.count(b"api_key") == 1


def _json(request: web.Request, body: bytes, key: str) -> bool:
    document: dict[str, Any] = json.loads(body)
    return bool(document["auth"]["key"] == key)


def _aws(request: web.Request, body: bytes, key: str) -> bool:
    """Sign what was signed anew, and compare."""
    given = request.headers.getone("Authorization")
    signed = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    payload = request.headers["X-Amz-Content-SHA256"]
    if payload not in {UNSIGNED, hashlib.sha256(body).hexdigest()}:
        return False
    again = AWSRequest(method=request.method, url=f"http://{request.headers['Host']}{request.raw_path}")
    for name in signed:
        for value in request.headers.getall(name):
            again.headers.add_header(name, value)
    again.context["timestamp"] = request.headers["X-Amz-Date"]
    signer = auth.S3SigV4Auth(Credentials("ASIAEXAMPLE", key, "the-session"), "s3", REGION)
    signature = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    return given.endswith(f"Signature={signature}") and request.headers["X-Amz-Security-Token"] == "the-session"
