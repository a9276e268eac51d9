"""A person with a browser, scripted: it keeps cookies, follows redirects, refreshes and forms, and reads fragments."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

import requests

from tests.providers.clients import USER

PAGES: Final = 20
"""Redirects, pages and forms that a way may take."""
_FORM: Final = re.compile(r"<form\b(.*?)>(.*?)</form>", re.DOTALL)
_INPUT: Final = re.compile(r"<input\b(.*?)/?>", re.DOTALL)
_ATTRIBUTE: Final = re.compile(r'([a-z]+)="(.*?)"', re.DOTALL)
_REFRESH: Final = re.compile(r'<meta http-equiv="refresh" content="0; url=(.*?)">')
_FRAGMENT_READER: Final = "location.hash"


@dataclass(frozen=True)
class Page:
    """Where the visitor has got to."""

    url: str
    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def title(self) -> str:
        """What the page is called."""
        found = re.search(r"<title>(.*?)</title>", self.text)
        return html.unescape(found[1]) if found else ""

    @property
    def has_form(self) -> bool:
        """There is a form to send."""
        return _FORM.search(self.text) is not None

    @property
    def next_url(self) -> str | None:
        """Where the page leads on its own."""
        found = _REFRESH.search(self.text)
        return html.unescape(found[1]) if found else None

    def form(self) -> tuple[str, dict[str, str]]:
        """Return where the page's form goes, and its fields, with the person's name in the empty ones."""
        found = _FORM.search(self.text)
        assert found, self.text
        action = dict(_ATTRIBUTE.findall(found[1])).get("action", self.url)
        fields = [dict(_ATTRIBUTE.findall(text)) for text in _INPUT.findall(found[2])]
        given = {field["name"]: html.unescape(field.get("value", "")) or USER for field in fields if "name" in field}
        return urljoin(self.url, html.unescape(action)), given


class Visitor:
    """One browser. Use it in a thread: it waits for what it asks."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self.seen: list[str] = []
        """The addresses that it has been at, in order."""

    def close(self) -> None:
        """Close the browser."""
        self._session.close()

    @property
    def cookies(self) -> Mapping[str, str]:
        """Return what it keeps."""
        return {cookie.name: cookie.value or "" for cookie in self._session.cookies}

    def forget_cookies(self) -> None:
        """Begin anew, as another browser."""
        self._session.cookies.clear()

    def get(self, url: str, **headers: str) -> Page:
        """Open one address, and go nowhere from there."""
        return self._page(self._session.get(url, allow_redirects=False, headers=headers))

    def post(self, url: str, fields: Mapping[str, str], origin: str | None = None) -> Page:
        """Send a form, as a page of that origin does; by default one of the address's own."""
        sent = {"Origin": origin or "{0.scheme}://{0.netloc}".format(urlsplit(url))}
        return self._page(self._session.post(url, data=fields, allow_redirects=False, headers=sent))

    def follow(self, page: Page, *, until: str = "\n") -> Page:
        """Go on from a page as far as it leads, sending every form; stop before an address that begins with that."""
        for _ in range(PAGES):
            target = page.headers.get("Location") if 300 <= page.status < 400 else page.next_url
            if target is not None:
                url = urljoin(page.url, target)
                if url.startswith(until):
                    return Page(url, 0, "", {})
                page = self.get(url)
            elif _FRAGMENT_READER in page.text:
                url, fragment = urldefrag(page.url)
                address, _, query = url.partition("?")
                page = self.post(address, dict(parse_qsl(query) + parse_qsl(fragment)))
            elif page.has_form and page.status == 200:
                page = self.post(*page.form())
            else:
                return page
        raise AssertionError(f"it does not end: {page.url}")

    def _page(self, answer: requests.Response) -> Page:
        self.seen.append(answer.url)
        for cookie in self._session.cookies:
            cookie.secure = False  # as browsers have it, the machine itself is as safe as TLS
        return Page(answer.url, answer.status_code, answer.text, answer.headers)
