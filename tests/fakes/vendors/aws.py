"""A stand-in for AWS: the agent of Pod Identity, STS, and three services that hold signatures against botocore's.

`/agent` and `/sts` give temporary keys; `/s3`, `/api` and `/sqs` want signed requests, each for its own service.
"""

import hashlib
import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from aiohttp import web
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.fakes.vendors.vendor import Vendor, answer, form_of

REGION: Final = "eu-central-1"
KEY_ID: Final = "AKIAIOSFODNN7EXAMPLE"
SECRET: Final = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
POD_TOKEN: Final = "the-token-of-a-pod"
ACCOUNT_TOKEN: Final = "the-token-of-a-service-account"
ROLE: Final = "arn:aws:iam::123456789012:role/queues"
_SIGNERS: Final = {"s3": auth.S3SigV4Auth, "execute-api": auth.SigV4Auth, "sqs": auth.SigV4Auth}
_NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"


class Keys(NamedTuple):
    """What requests are signed with."""

    key_id: str
    secret: str
    session_token: str | None = None


class Aws(Vendor):
    """One account."""

    def __init__(self) -> None:
        super().__init__()
        self._keys = {KEY_ID: Keys(KEY_ID, SECRET)}

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/agent/v1/credentials", self._agent),
            web.post("/sts/", self._sts),
            web.route("*", "/s3/{key:.+}", self._s3),
            web.route("*", "/api/live/{rest:.*}", self._api),
            web.route("*", "/sqs/{rest:.*}", self._sqs),
        ]

    async def _agent(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != POD_TOKEN:
            return web.Response(status=400, text="Service account token cannot be parsed")
        keys = self._new_keys()
        told = {"AccessKeyId": keys.key_id, "SecretAccessKey": keys.secret, "Token": keys.session_token}
        return answer({**told, "AccountId": "123456789012", "Expiration": self._expiration()})

    async def _sts(self, request: web.Request) -> web.Response:
        form = await form_of(request)
        if (form.get("Action"), form.get("Version")) != ("AssumeRoleWithWebIdentity", "2011-06-15"):
            return _sts_error(400, "InvalidAction")
        if form.get("WebIdentityToken") != ACCOUNT_TOKEN:
            return _sts_error(400, "InvalidIdentityToken")
        if form.get("RoleArn") != ROLE or not form.get("RoleSessionName"):
            return _sts_error(403, "AccessDenied")
        keys = self._new_keys()
        if "application/json" in request.headers.get("Accept", ""):
            told = {"AccessKeyId": keys.key_id, "SecretAccessKey": keys.secret, "SessionToken": keys.session_token}
            result = {"Credentials": {**told, "Expiration": time.time() + self.lifetime}}
            return answer({"AssumeRoleWithWebIdentityResponse": {"AssumeRoleWithWebIdentityResult": result}})
        return _xml(
            f'<AssumeRoleWithWebIdentityResponse xmlns="{_NAMESPACE}"><AssumeRoleWithWebIdentityResult>'
            f"<SubjectFromWebIdentityToken>system:serviceaccount:a:b</SubjectFromWebIdentityToken><Credentials>"
            f"<AccessKeyId>{keys.key_id}</AccessKeyId><SecretAccessKey>{keys.secret}</SecretAccessKey>"
            f"<SessionToken>{keys.session_token}</SessionToken><Expiration>{self._expiration()}</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )

    async def _s3(self, request: web.Request) -> web.Response:
        why = await self._refusal(request, "s3")
        if why:
            return _xml(f"<Error><Code>{why}</Code></Error>", 400 if why == "ExpiredToken" else 403)
        return answer({"key": request.match_info["key"], "length": len(await request.read())})

    async def _api(self, request: web.Request) -> web.Response:
        why = await self._refusal(request, "execute-api")
        expired = "The security token included in the request is expired"
        if why:
            return answer({"message": expired if why == "ExpiredToken" else why}, 403)
        return answer({"said": "hello"})

    async def _sqs(self, request: web.Request) -> web.Response:
        why = await self._refusal(request, "sqs")
        if why:
            return answer({"__type": f"com.amazon.coral.service#{why}Exception", "message": why}, 400)
        return answer({"QueueUrls": []})

    async def _refusal(self, request: web.Request, service: str) -> str:
        """Return the code of what is wrong with the signature; empty: nothing is."""
        given = request.headers.get("Authorization", "")
        credential = given.partition("Credential=")[2].partition(",")[0].split("/")
        signed = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        if len(credential) != 5 or credential[2:4] != [REGION, service]:
            return "IncompleteSignature"
        keys = self._keys.get(credential[0])
        if keys is None:
            return "InvalidClientTokenId"
        if keys.session_token is not None and not self.is_valid(keys.session_token):
            return "ExpiredToken"
        if request.headers.get("X-Amz-Security-Token") != keys.session_token:
            return "InvalidClientTokenId"
        body = await request.read()
        payload = request.headers.get("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD")
        if service == "s3" and payload not in {"UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()}:
            return "XAmzContentSHA256Mismatch"
        again = AWSRequest(request.method, f"http://{request.headers['Host']}{request.raw_path}", data=body)
        for name in signed:
            again.headers.add_header(name, ",".join(request.headers.getall(name)))
        again.context["timestamp"] = request.headers["X-Amz-Date"]
        signer = _SIGNERS[service](Credentials(*keys), service, REGION)
        signature = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
        return "" if given.endswith(f"Signature={signature}") else "SignatureDoesNotMatch"

    def _new_keys(self) -> Keys:
        keys = Keys(f"ASIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30), self.issue("IQoJb3Jp"))
        self._keys[keys.key_id] = keys
        return keys

    def _expiration(self) -> str:
        return (datetime.now(UTC) + timedelta(seconds=self.lifetime)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sts_error(status: int, code: str) -> web.Response:
    told = f"<Type>Sender</Type><Code>{code}</Code><Message>No.</Message>"
    return _xml(f'<ErrorResponse xmlns="{_NAMESPACE}"><Error>{told}</Error></ErrorResponse>', status)


def _xml(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/xml")
