"""One request under way: everything that is known of it, apart from the token that signs it."""

from dataclasses import dataclass, field

from proxy.core.message import RequestHead
from proxy.core.principal import Principal
from proxy.gateway.body import Body
from proxy.gateway.inbound import Inbound
from proxy.gateway.plan import RoutePlan
from proxy.gateway.record import Trace
from proxy.gateway.signing import Signer


@dataclass(slots=True)
class Request:
    """A request that has been matched and whose caller is known."""

    plan: RoutePlan
    signer: Signer
    inbound: Inbound
    head: RequestHead
    principal: Principal
    body: Body
    trace: Trace
    counted: bool = False
    """Whether a rule makes the answer a failure of the route's breaker."""
    note: bytes = b""
    """A header line to add to the answer."""
    signed_query: bytes = field(default=b"", repr=False)
    """The parameters that the token added to the address."""
