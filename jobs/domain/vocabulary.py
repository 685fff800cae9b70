"""The rules of the shared vocabulary: agreed names, absolute values, values that fit their schema.

Pattern: "Choreography and Async Communication", shared state: "values must be expressed idempotently (an absolute
updatedPrice, never a percentIncrease)".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from jobs.domain.errors import FieldError, Invalid, RelativeValue

PROPERTY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_RELATIVE_FIRST = frozenset(
    {"add", "append", "decrease", "decrement", "increase", "increment", "multiply", "push", "remove", "subtract"}
)
_RELATIVE_ANYWHERE = frozenset(
    {"adjustment", "decrease", "decrement", "delta", "diff", "difference", "increase", "increment"}
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NO_NETWORK: Registry[Any] = Registry()


def says_relative(name: str) -> bool:
    """Does the name of a term say a change rather than a value (`percentIncrease`, `priceDelta`, `addItems`)?"""
    words = [word.lower() for word in _WORDS.findall(name)]
    return bool(words) and (words[0] in _RELATIVE_FIRST or not _RELATIVE_ANYWHERE.isdisjoint(words))


def check_term(name: str, description: str, schema: Any, *, absolute_by_definition: bool) -> None:
    """Raises Invalid or RelativeValue when the term may not enter the vocabulary."""
    if not PROPERTY_NAME.fullmatch(name):
        raise Invalid(
            "A property starts with a letter and has up to 100 letters, digits, dots, dashes and underscores."
        )
    if says_relative(name) and not (absolute_by_definition and description.strip()):
        raise RelativeValue(
            f"{name} reads like a relative change, which cannot be written twice without harm. Name the absolute value "
            "instead, or set absoluteByDefinition with a description that says why it is one."
        )
    if fault := schema_fault(schema):
        raise Invalid("The term's schema cannot be used.", errors=[FieldError("/schema", fault)])


def schema_fault(schema: Any) -> str:
    """Why `schema` is no usable JSON Schema 2020-12 object (or boolean), empty when it is one."""
    if not isinstance(schema, dict | bool):
        return "A schema is an object."
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return error.message[:300]
    if any(not reference.startswith("#") for reference in _references(schema)):
        return "References may only point into the schema itself (#…)."
    try:
        list(Draft202012Validator(schema, registry=_NO_NETWORK).iter_errors({}))
    except (Unresolvable, re.error, RecursionError) as error:
        return f"It cannot be applied: {error}"[:300]
    return ""


def faults(state: Mapping[str, Any], schemas: Mapping[str, Any], *, open_vocabulary: bool) -> list[FieldError]:
    """Every way in which a shared state does not fit the vocabulary, one JSON Pointer each; empty when it fits."""
    found: list[FieldError] = []
    for name, value in state.items():
        if name in schemas:
            found += _value_faults(name, value, schemas[name])
        elif not open_vocabulary:
            found.append(FieldError(_pointer([name]), f"{name[:100]!r} is not a term of the shared vocabulary."))
    return found


def _value_faults(name: str, value: Any, schema: Any) -> list[FieldError]:
    validator = Draft202012Validator(schema, registry=_NO_NETWORK, format_checker=Draft202012Validator.FORMAT_CHECKER)
    try:
        errors = sorted(validator.iter_errors(value), key=lambda e: [str(part) for part in e.absolute_path])
        return [FieldError(_pointer([name, *error.absolute_path]), error.message[:300]) for error in errors]
    except (Unresolvable, re.error, RecursionError) as error:
        return [FieldError(_pointer([name]), f"The term's schema cannot be applied: {error}"[:300])]


def _pointer(path: list[Any]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key in {"$ref", "$dynamicRef"} and isinstance(value, str):
                yield value
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)
