"""What a workflow goes on with when a person comes back: steps of its own, or those of another one, by its name."""

from typing import Annotated, Any, Final

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, SerializationInfo, ValidatorFunctionWrapHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from proxy.credentials.workflow_steps import StepSettings

Steps = Annotated[tuple[StepSettings, ...], Field(strict=False)]


class _OrName:
    """Says of a settings field that a name may stand in the place of steps. What is wrong with these is told alone."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take a text as it is, and anything else as steps."""
        steps = handler.generate_schema(Steps)
        return core_schema.no_info_wrap_validator_function(_name_or_steps, steps, serialization=_AS_IT_WAS)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe both."""
        return {"anyOf": [handler(schema), {"type": "string"}]}


def _name_or_steps(given: Any, parse: ValidatorFunctionWrapHandler) -> Any:
    return given if isinstance(given, str) else parse(given)


def _dump(given: Any, info: SerializationInfo) -> Any:
    if isinstance(given, str):
        return given
    return [step.model_dump(mode=info.mode, by_alias=info.by_alias) for step in given]


_AS_IT_WAS: Final = core_schema.plain_serializer_function_ser_schema(_dump, info_arg=True)

StepsOrName = Annotated[tuple[StepSettings, ...] | str, _OrName()]
"""Steps, or the name of a credential that has them."""
