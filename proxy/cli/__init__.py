"""The `countersign` command. What a command needs is imported when it runs, so that `--help` is quick."""

from proxy.cli import keys, serving, trying
from proxy.cli.group import main

__all__ = ["keys", "main", "serving", "trying"]
