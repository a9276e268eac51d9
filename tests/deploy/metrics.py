"""Reads a PromQL expression for the metrics and labels it names, and knows which of them exist."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from proxy.telemetry.metrics import CATALOGUE

_TARGET: Final = frozenset({"job", "instance"})
_STANDARD: Final = (
    "up",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
)
_SELECTOR: Final = re.compile(r"\b([a-z_:]+)\b(?!\s*\()\s*(\{[^}]*\})?")
_MATCHER: Final = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
_GROUPING: Final = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)")
_OPERATORS: Final = frozenset({"and", "or", "unless", "bool", "offset"})


def existing() -> Mapping[str, frozenset[str]]:
    """Return every series a process exposes, with its labels."""
    series = dict.fromkeys(_STANDARD, _TARGET)
    for spec in CATALOGUE:
        labels = _TARGET.union(spec.labels)
        if spec.type == "histogram":
            series |= {f"{spec.name}_bucket": labels | {"le"}, f"{spec.name}_sum": labels, f"{spec.name}_count": labels}
        else:
            series[spec.name] = labels
    return series


def unknown(expression: str) -> Iterator[str]:
    """Yield each metric and label of the expression that no process exposes."""
    series = existing()
    labels: set[str] = set()
    for name, selector in _SELECTOR.findall(_GROUPING.sub("", expression)):
        if name in series:
            labels |= series[name]
            yield from (f"{name}{{{label}}}" for label in _MATCHER.findall(selector) if label not in series[name])
        elif name not in _OPERATORS:
            yield name
    groupings = {label.strip() for found in _GROUPING.findall(expression) for label in found.split(",")}
    yield from (f"by ({label})" for label in sorted(groupings - labels - {""}))
