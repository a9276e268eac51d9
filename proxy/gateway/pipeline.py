"""The life of a request, as one function whose lines are its stages; every stage that does not say yes refuses.

receive → match → identify → admit → require → breaker → sign → prepare → send → rejected? → renew → replay once → relay
→ record

Theory. A request belongs to the graph that was current when it arrived, and ends on it, whatever is reloaded meanwhile.
It holds one permit of its route's breaker and gives it back exactly once: as a success, as a failure, or unused when
the caller left. With fresh tokens nothing before the wire waits: no await, no lock, no task, no call of a store.
"""

import asyncio
from typing import Final

from proxy.core.breaker import BreakerOpen, BreakerState
from proxy.core.errors import (
    CircuitOpenError,
    DrainingError,
    InternalError,
    LoginRequiredError,
    ProxyError,
    RequestInvalidError,
    RouteNotFoundError,
)
from proxy.core.message import RequestHead
from proxy.core.principal import Principal
from proxy.gateway import desk
from proxy.gateway.body import NOTHING, Body, body_of
from proxy.gateway.forward import Exchange
from proxy.gateway.graph import Graph
from proxy.gateway.identify import identify
from proxy.gateway.inbound import CallerGoneError, Inbound
from proxy.gateway.plan import RoutePlan
from proxy.gateway.prepare import hops_left, new_id, request_id
from proxy.gateway.receive import has_dot_segment, receive
from proxy.gateway.record import Recorder, Trace
from proxy.gateway.refuse import refusal
from proxy.gateway.relay import Relay
from proxy.gateway.replay import Sender
from proxy.gateway.request import Request
from proxy.gateway.require import require
from proxy.gateway.signing import Signer
from proxy.net.runtime import Runtime
from proxy.telemetry.events import EventLog, EventName
from proxy.users.portal import PREFIX

GATEWAY_FAILURES: Final = frozenset({502, 503, 504})
"""Answers of an upstream that count against it like no answer at all."""


class Pipeline:
    """Carries requests through the current graph."""

    def __init__(self, graph: Graph, runtime: Runtime, recorder: Recorder, events: EventLog) -> None:
        self.graph = graph
        self.draining = False
        """True: answers end their connection."""
        self.refusing = False
        """True: the time for new requests is over."""
        self._clock = runtime.clock
        self._sender = Sender(runtime, events)
        self._recorder = recorder
        self._events = events

    async def handle(self, inbound: Inbound) -> bool:
        """Answer one request; return whether the caller's connection goes on."""
        trace = Trace(self._clock.monotonic())
        try:
            await self._serve(inbound, trace)
        except ProxyError as error:
            self._refuse(inbound, error, trace)
        except ConnectionError:
            inbound.abort()  # the caller left
        except asyncio.CancelledError:
            if self.refusing and inbound.is_connected:
                self._cut(inbound, trace)
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence: a mistake of ours is answered, and told
            self._events.record("error", EventName.TASK_FAILED, detail=f"request {trace.identifier}: {error!r}")
            self._refuse(inbound, InternalError(), trace)
        finally:
            self._recorder.record(trace)
        return inbound.keep_alive

    def _cut(self, inbound: Inbound, trace: Trace) -> None:
        """End a request that is still under way when the process has to: say so, or break its answer off."""
        if inbound.answered:
            trace.reason = DrainingError.code
            inbound.abort()
        else:
            self._refuse(inbound, DrainingError(retry_after=1.0), trace)

    async def _serve(self, inbound: Inbound, trace: Trace) -> None:
        graph = self.graph
        head = receive(inbound)
        trace.identifier = request_id(head)
        if head.path.startswith(PREFIX):
            await self._call(graph, inbound, head, trace)
            return
        plan = trace.plan = graph.routes.match(head)
        if plan is None:
            raise RouteNotFoundError("no route matches this host, path, method and these headers")
        if plan.refuses_dot_segments and has_dot_segment(head.path):
            raise RequestInvalidError("the path has dot segments; they lead out of the upstream's base path")
        principal = identify(head, plan.callers, graph.callers.values(), graph.keys)
        trace.caller = principal.name
        if self.refusing:
            raise DrainingError(retry_after=1.0)
        if head.method == "OPTIONS" and hops_left(head) == 0:
            self._answer_here(inbound, trace)
            return
        body: Body = NOTHING
        plan.admit()
        try:
            signer = plan.signer
            if signer is None or plan.requirements:
                signer = await _personal(graph, plan, head, principal, trace)
            body = body_of(inbound, plan.settings, record=signer.can_renew)
            if body.whole is None and body.is_small:
                await body.gather()
            await self._carry(Request(plan, signer, inbound, head, principal, body, trace))
        except LoginRequiredError as error:
            if graph.people is not None:
                graph.people.invite(error, trace.person)
            raise
        finally:
            plan.metrics.in_flight -= 1
            body.close()

    async def _call(self, graph: Graph, inbound: Inbound, head: RequestHead, trace: Trace) -> None:
        """Let the portal answer a browser's call."""
        status = await desk.serve(
            graph.people, inbound, head, trace.identifier, is_draining=lambda: self.draining, refusing=self.refusing
        )
        trace.refused(status)

    def _answer_here(self, inbound: Inbound, trace: Trace) -> None:
        """Be the last hop of an OPTIONS request that asks for that (RFC 9110 §7.6.2)."""
        trace.refused(200)
        inbound.keep_alive = inbound.keep_alive and inbound.body_is_here and not self.draining
        inbound.answered = True
        end = b"\r\n" if inbound.keep_alive else b"Connection: close\r\n\r\n"
        inbound.write(
            b"HTTP/1.1 200 OK\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\nContent-Length: 0\r\n" + end
        )

    async def _carry(self, request: Request) -> None:
        """Send the request under a permit of the route's breaker, and pass the answer on."""
        plan = request.plan
        try:
            permit = plan.breaker.admit(self._clock.monotonic())
        except BreakerOpen as error:
            raise CircuitOpenError(
                f"the upstream of route {plan.name!r} kept failing", retry_after=error.retry_after
            ) from None
        try:
            exchange = await self._sender.send(request)
        except ProxyError as error:
            self._give_back(plan, permit, error)
            raise
        except BaseException:
            plan.breaker.release(permit, self._clock.monotonic())
            raise
        relay = self._relay(request, exchange)
        ok = not request.counted and exchange.answer.status not in GATEWAY_FAILURES
        try:
            if exchange.answer.complete:
                plan.record(permit, ok=ok)
                relay.at_once()
            else:
                await self._stream(relay, request, permit, ok=ok)
        finally:
            exchange.end()
            if not request.signer.is_noted:
                _note_use(request)

    async def _stream(self, relay: Relay, request: Request, permit: int, *, ok: bool) -> None:
        """Pass an answer on as it comes. The breaker hears of it at its end, when it is known to be whole.

        Only a stream without a length that probes a circuit is a success from its first byte: it may never end.
        """
        plan = request.plan
        if relay.is_endless and plan.breaker.state(self._clock.monotonic()) is not BreakerState.CLOSED:
            plan.record(permit, ok=ok)
        try:
            await relay.stream(plan.settings.timeouts.idle)
        except ProxyError as error:
            self._give_back(plan, permit, error)
            raise
        except BaseException:
            plan.breaker.release(permit, self._clock.monotonic())
            raise
        plan.record(permit, ok=ok)

    def _give_back(self, plan: RoutePlan, permit: int, error: ProxyError) -> None:
        """Return the permit of a request that failed: unused, if that is not the upstream's doing."""
        if error.counts:
            plan.record(permit, ok=False)
        else:
            plan.breaker.release(permit, self._clock.monotonic())

    def _relay(self, request: Request, exchange: Exchange) -> Relay:
        """Note the answer, and return what passes it on."""
        request.trace.answered(exchange.answer.status, self._clock.monotonic())
        if self.draining or request.body.is_unfinished:
            request.inbound.keep_alive = False
        return Relay(request, exchange)

    def refuse_unread(self, inbound: Inbound, error: ProxyError) -> None:
        """Answer a request that could not even be parsed."""
        trace = Trace(self._clock.monotonic())
        self._refuse(inbound, error, trace)
        self._recorder.record(trace)

    def _refuse(self, inbound: Inbound, error: ProxyError, trace: Trace) -> None:
        trace.reason = error.code
        trace.identifier = trace.identifier or new_id()
        if inbound.answered:
            return  # the relay has cut the connection: there is no way back to a status
        trace.refused(error.status)
        if self.draining or not inbound.body_is_here or isinstance(error, RequestInvalidError):
            inbound.keep_alive = False  # what is still coming is nobody's request, or nobody knows where it begins
        inbound.answered = True
        try:
            inbound.write(
                refusal(
                    error,
                    trace.identifier,
                    keep_alive=inbound.keep_alive,
                    with_body=inbound.message.method != "HEAD",
                )
            )
        except CallerGoneError:
            inbound.abort()


def _note_use(request: Request) -> None:
    """Write down that the upstream was shown what is a user's own."""
    request.signer.is_noted = True
    if request.trace.person is not None:
        request.plan.audit.used(request.trace.person)


async def _personal(graph: Graph, plan: RoutePlan, head: RequestHead, principal: Principal, trace: Trace) -> Signer:
    """Return the signer for the user on whose behalf the request is, who has done all that the route requires.

    Raises:
        UserRequiredError: it names nobody.
        UserUnprovenError: it names somebody, and does not prove it.
        VerificationRequiredError: they have something to do before.
    """
    if graph.people is None:
        raise InternalError
    person = graph.people.known(head, principal) or await graph.people.find(head, principal)
    trace.user, trace.person = person.pseudonym, person
    if plan.requirements:
        await require(graph.people, person, plan.requirements)
    return plan.signer or plan.signers.current(person) or await plan.signers.obtain(person)
