"""Commands, errors, metrics, events, symptoms and the admin API as a reference, read where the code declares them."""

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import click
from pydantic import BaseModel

from docs.wrapping import item, paragraph
from proxy.admin.operation import BASE, Operation
from proxy.admin.operations import OPERATIONS
from proxy.admin.problem import AdminError
from proxy.admin.views import View
from proxy.cli import main
from proxy.core.errors import ProxyError
from proxy.core.symptom import Symptom
from proxy.telemetry import events as events_module
from proxy.telemetry.counts import FETCH_OUTCOMES, FETCH_REASONS, REPLAY_OUTCOMES
from proxy.telemetry.events import EventName
from proxy.telemetry.metrics import (
    CATALOGUE,
    RELOAD_OUTCOMES,
    STORE_OPERATIONS,
    VERIFICATION_OUTCOMES,
    WEBHOOK_OUTCOMES,
)

Blocks = Mapping[str, Callable[[], Iterator[str]]]

LABELS: Final[Mapping[str, Mapping[str, Iterable[str]]]] = {
    "countersign_requests_total": {"source": ("upstream", "proxy")},
    "countersign_token_fetches_total": {"reason": FETCH_REASONS, "outcome": FETCH_OUTCOMES},
    "countersign_token_cache_total": {"result": ("hit", "stale", "wait", "negative")},
    "countersign_replays_total": {"outcome": REPLAY_OUTCOMES},
    "countersign_store_errors_total": {"operation": STORE_OPERATIONS},
    "countersign_webhook_deliveries_total": {"outcome": WEBHOOK_OUTCOMES},
    "countersign_verifications_total": {"outcome": VERIFICATION_OUTCOMES},
    "countersign_config_reloads_total": {"outcome": RELOAD_OUTCOMES},
}
"""The closed sets that labels are taken from."""


def commands() -> Blocks:
    """Return a block for every command."""
    return {f"command {name}": partial(_command, command) for name, command in main.commands.items()}


def _command(command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"countersign {command.name}", **command.context_settings)
    yield "```text"
    yield f"{context.command_path} {' '.join(command.collect_usage_pieces(context))}"
    yield "```"
    for text in (command.help or "").split("\n\n"):
        yield ""
        yield paragraph(text)
    options = [option for option in command.params if isinstance(option, click.Option)]
    if options:
        yield ""
    for option in options:
        yield item(_option(option, context))


def _option(option: click.Option, context: click.Context) -> str:
    spelled = ", ".join(f"`{word}`" for word in (*option.secondary_opts, *reversed(option.opts)))
    value = "" if option.is_flag else f" `{option.make_metavar(context)}`"
    notes = ["required"] if option.required else []
    if option.show_default and isinstance(option.default, str):
        notes.append(f"default `{option.default}`")
    notes.append(f"environment `{option.envvar or f'{context.auto_envvar_prefix}_{str(option.name).upper()}'}`")
    return f"{spelled}{value} ({', '.join(notes)}): {option.help}"


def errors() -> Blocks:
    """Return a block for every error that a caller may be told."""
    return {f"error {error.code}": partial(_error, error) for error in ProxyError.__subclasses__()}


def _error(error: type[ProxyError]) -> Iterator[str]:
    meaning = (error.__doc__ or "").strip()
    counts = " It counts as a failure for the route's circuit." if error.counts else ""
    yield paragraph(f"Status {error.status}, `Proxy-Status: countersign; error={error.proxy_error}`. {meaning}{counts}")


def metrics() -> Iterator[str]:
    """Yield the catalogue of metrics."""
    for spec in CATALOGUE:
        labels = f"`{{{', '.join(spec.labels)}}}`" if spec.labels else ""
        yield item(f"**`{spec.name}`**{labels} ({spec.type}): {spec.help}")
        for label, values in LABELS.get(spec.name, {}).items():
            yield paragraph(f"`{label}` is one of {', '.join(f'`{value}`' for value in values)}.", indent="  ")


def events() -> Iterator[str]:
    """Yield the events that are recorded, with what they mean: the texts below their names."""
    for name, meaning in event_meanings().items():
        yield item(f"**`{EventName[name].value}`**: {meaning}")


def event_meanings() -> Mapping[str, str]:
    """Return the text that stands below each name in the enumeration; names without one are not in use yet."""
    [enumeration] = [
        node
        for node in ast.parse(inspect.getsource(events_module)).body
        if isinstance(node, ast.ClassDef) and node.name == EventName.__name__
    ]
    meanings, name = {}, ""
    for node in enumeration.body[1:]:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            meanings[name] = str(node.value.value)
    return meanings


def symptoms() -> Iterator[str]:
    """Yield the troubleshooting table."""
    for symptom in Symptom:
        yield item(f"**`{symptom.code}`** (reason `{symptom.reason.value}`): {symptom.remedy}.")


def admin_api() -> Blocks:
    """Return a block for every operation, and those for what they show and how they refuse."""
    return {
        **{f"operation {operation.name}": partial(_operation, operation) for operation in OPERATIONS},
        "admin records": _records,
        "admin errors": _admin_errors,
    }


def _operation(operation: Operation) -> Iterator[str]:
    yield paragraph(
        f"`{operation.method} {BASE}{operation.path}`: {operation.summary}. Shows "
        f"[{operation.shows.__name__}](#{operation.shows.__name__.lower()})."
    )
    fields = operation.takes.model_fields
    if fields:
        place = "body, a JSON object" if operation.is_order else "query"
        yield ""
        yield f"In the {place}:"
        yield ""
    for name, field in fields.items():
        required = ", required" if field.is_required() else ""
        yield item(f"**`{name}`** ({_words(operation.takes, name)}{required}): {field.description}")


def _words(record: type[BaseModel], name: str) -> str:
    schema = record.model_json_schema()["properties"][name]
    options = [option for option in schema.get("anyOf", (schema,)) if option.get("type") != "null"]
    return _word(options[0])


def _word(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f"`{word}`" for word in schema["enum"])
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if schema.get("type") == "array":
        return f"list of {_word(schema['items'])}"
    return str(schema.get("format") or schema.get("type") or "any JSON")


def _records() -> Iterator[str]:
    """Yield every record that the API shows, those inside others included."""
    for view in sorted(View.__subclasses__(), key=lambda view: view.__name__):
        yield f"### {view.__name__}"
        yield ""
        yield paragraph((view.__doc__ or "").strip())
        yield ""
        for name, field in view.model_fields.items():
            nullable = " or null" if type(None) in getattr(field.annotation, "__args__", ()) else ""
            meaning = f": {field.description}" if field.description else ""
            yield item(f"**`{name}`** ({_words(view, name)}{nullable}){meaning}")
        yield ""


def _admin_errors() -> Iterator[str]:
    for error in AdminError.__subclasses__():
        yield f"### {error.code}"
        yield ""
        yield paragraph(f"Status {error.status}. {(error.__doc__ or '').strip()}")
        yield ""
