"""A stand-in for Stripe: static keys, versions by date, and requests that are done once for each idempotency key."""

from collections.abc import Iterable
from hashlib import sha256

from aiohttp import web

from tests.fakes.vendors.vendor import Vendor, answer, bearer_of, form_of

KEY = "rk_test_a-restricted-key"
VERSIONS = frozenset({"2024-06-20", "2023-10-16"})


class Stripe(Vendor):
    """One account."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = {KEY}
        """The keys that are good."""
        self.charges = 0
        """How many were made."""
        self._done: dict[str, tuple[bytes, dict[str, object]]] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.get("/v1/balance", self._balance), web.post("/v1/charges", self._charge)]

    async def _balance(self, request: web.Request) -> web.Response:
        return self._refusal(request) or answer({"object": "balance", "livemode": False})

    async def _charge(self, request: web.Request) -> web.Response:
        if refused := self._refusal(request):
            return refused
        key, digest = request.headers.get("Idempotency-Key", ""), sha256(await request.read()).digest()
        if key in self._done:
            before, made = self._done[key]
            if before != digest:
                return _error(
                    400, "idempotency_error", "Keys for idempotent requests can only be used with the same parameters."
                )
            return answer(made, Idempotent_Replayed="true")
        self.charges += 1
        amount = (await form_of(request)).get("amount")
        charge: dict[str, object] = {"id": f"ch_{self.charges}", "object": "charge", "amount": int(amount or 0)}
        if key:
            self._done[key] = digest, charge
        return answer(charge)

    def _refusal(self, request: web.Request) -> web.Response | None:
        if (key := bearer_of(request)) not in self.keys:
            return _error(401, "invalid_request_error", f"Invalid API Key provided: {key[:7]}***")
        versions = request.headers.getall("Stripe-Version", [])
        if len(versions) != 1 or versions[0] not in VERSIONS:
            return _error(400, "invalid_request_error", "Invalid Stripe API version.")
        return None


def _error(status: int, kind: str, message: str) -> web.Response:
    return answer({"error": {"type": kind, "message": message}}, status)
