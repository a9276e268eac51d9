"""A real nginx that stands in front of something and keeps what it may: a cache that all callers share."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.fakes.nginx import BINARY, MISSING
from tests.fakes.program import Program

_CONFIG: Final = """
daemon off;
worker_processes 1;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log crit;
{user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    proxy_cache_path {prefix}/cache keys_zone=all:1m;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {behind};
            proxy_cache all;
            proxy_cache_valid any 10m;
            add_header X-Cache $upstream_cache_status always;
        }}
    }}
}}
"""


class CachingNginx(Program):
    """Runs while its block runs. It keeps every answer for ten minutes that does not say otherwise, refusals too.

    `behind` is the address of what it stands in front of; its answers say in `X-Cache` where they come from.
    """

    def __init__(self, prefix: Path, behind: str) -> None:
        super().__init__()
        self.prefix = prefix
        self._behind = behind

    def command(self) -> Sequence[str]:
        """Write the configuration, and return how nginx is called."""
        assert BINARY is not None, MISSING
        config = self.prefix / "nginx.conf"
        config.write_text(
            _CONFIG.format(
                prefix=self.prefix,
                port=self.port,
                behind=self._behind,
                user="user root;" if os.geteuid() == 0 else "",
            )
        )
        return BINARY, "-p", str(self.prefix), "-e", str(self.prefix / "error.log"), "-c", str(config)
