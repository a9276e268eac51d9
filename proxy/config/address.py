"""Where a listener stands: an address of this machine and a port."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from proxy.core.origin import is_loopback

_FORM: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})")
_REMEDY: Final = "is not an address to listen on; write 127.0.0.1:8080, [::1]:8080, or 0.0.0.0:8080 for every interface"


@dataclass(frozen=True, slots=True)
class Address:
    """Host and port of a listener. Port 0 takes any that is free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Take `HOST:PORT` apart.

        Raises:
            ValueError: it is written otherwise.
        """
        match = _FORM.fullmatch(text)
        if match is None or int(match[3]) > 65535:
            raise ValueError(f"{text!r} {_REMEDY}")
        host = match[1] or match[2]
        if (match[1] or host.replace(".", "").isdecimal()) and _ip(host) is None:
            raise ValueError(f"{text!r} {_REMEDY}")
        return cls(host.lower(), int(match[3]))

    @property
    def is_loopback(self) -> bool:
        """Return True when only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def is_everywhere(self) -> bool:
        """Return True when it stands for every address of the machine."""
        ip = _ip(self.host)
        return ip is not None and ip.is_unspecified

    def collides_with(self, other: "Address") -> bool:
        """Return True when one socket would be in the other's way."""
        same_host = self.host == other.host or self.is_everywhere or other.is_everywhere
        return same_host and self.port == other.port != 0

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Parse from a string; print as one."""
        return core_schema.no_info_after_validator_function(
            cls.parse,
            core_schema.str_schema(strict=True),
            serialization=core_schema.to_string_ser_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^{_FORM.pattern}$", "examples": ["127.0.0.1:8080", "0.0.0.0:8080"]}


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
