"""Lets what changes about a user count in every process: sources made of it go, and the next request makes new ones.

The registry writes a user down in the store, and the store tells every process that something stands there now. What
may have been missed may have been about anybody.
"""

from collections.abc import Callable
from typing import Final

from proxy.core.person import USER_ID
from proxy.stores.base import Change, News
from proxy.tokens.sources import Sources
from proxy.users.registry import PLACE

_OF_RECORDS: Final = frozenset({Change.SAVED, Change.DROPPED})


class Changes:
    """Hears the store's news of users. `sources` returns those that are in use now."""

    def __init__(self, sources: Callable[[], Sources]) -> None:
        self._sources = sources

    def hear(self, news: News) -> None:
        """Take note of one."""
        if news.change in _OF_RECORDS and news.key.startswith(PLACE):
            self._dismiss(news.key.removeprefix(PLACE))
        elif news.change is Change.MISSED:
            self._dismiss(None)

    def _dismiss(self, pseudonym: str | None) -> None:
        """Let the sources of that user go, or everybody's, that are made of more than the user's id."""
        sources = self._sources()
        for name, pool in sources.pools.items():
            if not sources.settings[name].user_variables <= {USER_ID}:
                pool.dismiss(pseudonym)
