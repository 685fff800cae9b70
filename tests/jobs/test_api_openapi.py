"""The OpenAPI document is valid, whole and true."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from jobs.api.openapi.document import PATH_NAMES
from jobs.api.views.base import ApiView

METHODS = {"get", "put", "patch", "post", "delete"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """As it is served."""
    answer = Client().get("/api/v1/openapi.json")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    served: dict[str, Any] = answer.json()
    return served


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_every_method_of_every_resource_is_in_it(document: dict[str, Any]) -> None:
    said = {(path, method) for path, item in document["paths"].items() for method in item if method in METHODS}
    assert said == set(_served(get_resolver().url_patterns))


def _served(patterns: Any, before: str = "/") -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _served(pattern.url_patterns, before + str(pattern.pattern))
        elif isinstance(pattern, URLPattern) and issubclass(getattr(pattern.callback, "cls", object), ApiView):
            path = before + str(pattern.pattern)
            for name in pattern.pattern.converters:
                kind = path[path.rindex("<", 0, path.index(f":{name}>")) : path.index(f":{name}>")]
                path = path.replace(f"{kind}:{name}>", f"{{{PATH_NAMES[name]}}}")
            view: Any = pattern.callback
            yield from ((path, method) for method in METHODS if hasattr(view.cls, method))


def test_every_operation_is_told_whole(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["description"], where
            assert {"400", "406", "500", "503"} <= set(operation["responses"]), where
            assert ("401" in operation["responses"]) is bool(operation["security"]), where
            for response in operation["responses"].values():
                resolved = _resolve(document, response)
                assert {"correlation-id", "request-id"} <= set(resolved["headers"]), where
                assert resolved["description"], where
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


def test_its_examples_fit_their_schemas(document: dict[str, Any]) -> None:
    resource: Resource[Any] = DRAFT202012.create_resource(document)
    registry: Registry[Any] = Registry().with_resource("urn:choreo", resource)
    checked = 0
    for name, schema in document["components"]["schemas"].items():
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
        for example in schema.get("examples", []):
            reference = {"$ref": f"urn:choreo#/components/schemas/{name}"}
            validator = Draft202012Validator(
                reference, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
            )
            assert [error.message for error in validator.iter_errors(example)] == [], name
            checked += 1
    assert checked > 15


def test_every_body_has_an_example(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                assert "examples" in _resolve(document, media["schema"]), f"{method} {path}"


def test_it_is_made_once_and_may_be_cached(document: dict[str, Any]) -> None:
    answer = Client().get("/api/v1/openapi.json")
    assert json.loads(answer.content) == document
    assert Client().get("/api/v1/openapi.json", headers={"if-none-match": answer["ETag"]}).status_code == 304


def _resolve(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    found: Any = document
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    resolved: dict[str, Any] = found
    return resolved
