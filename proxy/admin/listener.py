"""A listener for operators and machines: aiohttp's, but for its error pages.

aiohttp's own page repeats the line that it could not read, and its log does too; either may hold a key.
"""

import logging
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from proxy.admin.problem import InternalError, OrderInvalidError

_LOGGER: Final = logging.getLogger(__name__)


async def open_listener(app: web.Application, host: str, port: int) -> web.AppRunner:
    """Serve the application there, until the runner's `cleanup`.

    Raises:
        OSError: the address cannot be listened on.
    """
    runner = _Runner(app, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


class _Connection(RequestHandler):
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read, or a mistake of ours outside the guard, without repeating any of it."""
        if status < 500:
            _LOGGER.warning("a request from %s could not be read: %s", request.remote, type(exc).__name__)
            response = OrderInvalidError("this is not HTTP as it should be").response()
        else:
            _LOGGER.error("a request from %s could not be answered", request.remote, exc_info=exc)
            response = InternalError("the log says what happened").response()
        response.headers["Server"] = "countersign"
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, access_log=None)  # type: ignore[arg-type]  # None is how one says: none


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        made: Any = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory)
