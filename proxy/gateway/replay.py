"""Sends a request, and when the upstream refuses its token, renews that token and sends the same bytes once more.

Which answers mean that is for the rules to say (`ruling`). A refusal is not a failure: RFC 9110 §15.5.2 says that the
request has not been applied, so any method may be replayed. Once, never twice: a second refusal is the caller's answer,
unchanged. The replay is lost, and the answer says so, when the body has outgrown what is remembered.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable
from functools import partial
from typing import Final

from proxy.core.clock import Clock
from proxy.core.message import Injection
from proxy.core.moment import Moment
from proxy.gateway.forward import Exchange, Outbound
from proxy.gateway.plan import RoutePlan
from proxy.gateway.relay import interim
from proxy.gateway.request import Request
from proxy.gateway.ruling import Ruling, Suspects, Tokens, rule, suspected
from proxy.gateway.signing import Signature
from proxy.gateway.tailor import tailored
from proxy.net.runtime import Runtime
from proxy.telemetry.events import EventLog, EventName
from proxy.tokens.renewal import RenewalOutcome

TOO_LARGE: Final = b'Proxy-Status: countersign; details="the body was too large to be replayed with a new token"\r\n'
"""RFC 9209 §2.1.5: added to a refusal that could not be replayed."""
TOO_OFTEN: Final = "renewed_too_often"
"""The reason in the log of a refusal that was passed on because its token had been renewed time and again."""

_MOST_TOLD: Final = 1024
_REPLACED: Final = frozenset({RenewalOutcome.RENEWED, RenewalOutcome.SUPERSEDED})


class Sender:
    """Sends requests, and sends them again when that is called for."""

    def __init__(self, runtime: Runtime, events: EventLog) -> None:
        self._runtime = runtime
        self._clock: Clock = runtime.clock
        self._events = events
        self._told: OrderedDict[tuple[str, ...], None] = OrderedDict()
        """Routes with fingerprints of tokens that were told of last; the tokens themselves are not kept alive."""

    async def send(self, request: Request) -> Exchange:
        """Return the exchange whose answer is the caller's: the first one, or the replay's.

        Raises:
            ProxyError: there is none; says why.
            ConnectionError: the caller left.
        """
        signature = request.signer.current() or await request.signer.obtain()
        exchange = await self._attempt(request, signature)
        refusals = request.signer.refusals
        if refusals is not None and exchange.answer.status not in refusals:
            return exchange
        suspects = suspected(request.signer, exchange, signature)
        if not suspects:
            return exchange
        return await self._follow(request, exchange, suspects)

    async def _follow(self, request: Request, exchange: Exchange, suspects: Suspects) -> Exchange:
        """Do what the rules say; return the exchange of the replay, or the first one if nothing comes of it."""
        ruling = await self._ruling(request, exchange, suspects)
        try:
            signature = await self._replacement(request, exchange, ruling.refused) if ruling.refused else None
        finally:
            self._renew_behind(ruling.outworn)  # not earlier: this request has to do with the tokens it has
        if signature is None:
            request.counted = ruling.counts
            return exchange
        request.trace.replayed = True
        exchange = await self._attempt(request, signature)
        await self._judge_replay(request, exchange, suspected(request.signer, exchange, signature))
        return exchange

    async def _ruling(self, request: Request, exchange: Exchange, suspects: Suspects) -> Ruling:
        """Return what the rules say, and note which of them said it."""
        try:
            ruling = await rule(request.head.method, exchange, suspects)
        except BaseException:
            exchange.end()
            raise
        request.trace.reason = ruling.reason or request.trace.reason
        return ruling

    async def _replacement(self, request: Request, exchange: Exchange, refused: Tokens) -> Signature | None:
        """Return the tokens to send the request with again; None: that is of no use, or not possible."""
        signer = request.signer
        try:
            if request.body.can_be_sent_again and not await self._renewed(request, refused):
                request.trace.reason = TOO_OFTEN
                return None
            if not request.body.can_be_sent_again:  # from the start, or because it went on flowing meanwhile
                self._give_up(request, refused)
                return None
            await exchange.drop()
        except BaseException:
            exchange.end()
            raise
        return signer.current() or await signer.obtain()

    def _attempt(self, request: Request, signature: Signature) -> Awaitable[Exchange]:
        """Sign the request and send it."""
        plan, body, trace = request.plan, request.body, request.trace
        trace.signature = signature
        injection = request.signer.injection(signature)
        if injection.tailored is not None:
            return self._attempt_tailored(request, injection)
        request.signed_query = injection.query
        head = plan.preparer.head(
            request.head,
            request.principal,
            injection,
            identifier=trace.identifier,
            length=body.length,
        )
        trace.sent = self._clock.monotonic()
        return plan.forwarder.send(Outbound(request.head.method, head, body, partial(interim, request)))

    async def _attempt_tailored(self, request: Request, injection: Injection) -> Exchange:
        """Do the same where what the token adds depends on the request."""

        async def write() -> Outbound:
            head, body, request.signed_query = await tailored(request, injection, Moment.of(self._clock))
            request.trace.sent = self._clock.monotonic()
            return Outbound(request.head.method, head, body, partial(interim, request), write)

        return await request.plan.forwarder.send(await write())

    async def _renewed(self, request: Request, refused: Tokens) -> bool:
        """Renew every refused token; return whether any changed, so that a replay can come to another end.

        Raises:
            TokenUnavailableError: a token was refused, and no other can be had.
            CircuitOpenError: the same, and its endpoint is left alone for now.
        """
        try:
            renewals = [await source.renew(held) for source, held in refused]
        except asyncio.CancelledError:
            request.plan.metrics.replay("too_late")  # the caller has left meanwhile
            raise
        for renewal in renewals:
            if renewal.error is not None:
                raise renewal.error
        return any(renewal.outcome in _REPLACED for renewal in renewals)

    async def _judge_replay(self, request: Request, exchange: Exchange, suspects: Suspects) -> None:
        """Count how the replay ended. Whatever its answer is, it is the caller's."""
        ruling = await self._ruling(request, exchange, suspects) if suspects else Ruling()
        request.counted = ruling.counts
        rejected_again = bool(ruling.refused or ruling.outworn)
        request.plan.metrics.replay("rejected_again" if rejected_again else "succeeded")
        if rejected_again:
            request.trace.reason = "rejected_again"
            self._tell_once(request.plan, request.trace.signature)

    def _tell_once(self, plan: RoutePlan, signature: Signature) -> None:
        """Record that new tokens were rejected as well: once for each, however many requests meet it."""
        about = (plan.name, *(held.token.value.fingerprint() for held in signature))
        if about not in self._told:
            self._told[about] = None
            if len(self._told) > _MOST_TOLD:
                self._told.popitem(last=False)
            self._events.record("warning", EventName.REJECTED_AGAIN, route=plan.name, credential=plan.credentials)

    def _give_up(self, request: Request, refused: Tokens) -> None:
        """Let the refusal be the answer; the next request shall find a new token all the same."""
        plan = request.plan
        self._renew_behind(refused)
        plan.metrics.replay("too_large")
        request.trace.reason = "too_large"
        request.note = TOO_LARGE
        self._events.record("warning", EventName.REPLAY_GIVEN_UP, route=plan.name, reason="too_large")

    def _renew_behind(self, tokens: Tokens) -> None:
        """Have the tokens renewed while nobody waits."""
        for source, held in tokens:
            self._runtime.spawn(source.renew(held), name=f"renew {source.name}")
