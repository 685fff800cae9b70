"""The rules of the shared vocabulary."""

from typing import Any

import pytest

from jobs.domain.errors import Invalid, RelativeValue
from jobs.domain.vocabulary import check_term, faults, says_relative

RELATIVE = ["percentIncrease", "priceDelta", "incrementBy", "addItems", "remove_item", "StockDecrease", "increase"]
ABSOLUTE = ["updatedPrice", "address", "additive", "addressLine1", "discountPercent", "paymentStatus", "deltaForce1x"]


@pytest.mark.parametrize("name", RELATIVE)
def test_a_name_that_says_a_change_is_refused(name: str) -> None:
    with pytest.raises(RelativeValue):
        check_term(name, "", {}, absolute_by_definition=False)
    with pytest.raises(RelativeValue):
        check_term(name, " ", {}, absolute_by_definition=True)
    check_term(name, "The total so far, absolute.", {}, absolute_by_definition=True)


@pytest.mark.parametrize("name", ABSOLUTE[:-1])
def test_a_name_that_says_a_value_is_not(name: str) -> None:
    assert not says_relative(name)


@pytest.mark.parametrize("name", ["", "1st", "a b", "ü", "a" * 101, "a/b", "a\n"])
def test_a_property_is_a_plain_name(name: str) -> None:
    with pytest.raises(Invalid):
        check_term(name, "", {}, absolute_by_definition=False)


@pytest.mark.parametrize(
    "schema",
    [
        7,
        "string",
        {"type": "strin"},
        {"minimum": "1"},
        {"$ref": "http://127.0.0.1/schema"},
        {"properties": {"a": {"$ref": "other.json"}}},
        {"$ref": "#/$defs/nothing"},
        {"$ref": "#"},
    ],
)
def test_a_schema_that_cannot_be_applied_is_refused(schema: Any) -> None:
    with pytest.raises(Invalid) as caught:
        check_term("price", "", schema, absolute_by_definition=False)
    assert [error.pointer for error in caught.value.errors] == ["/schema"]


def test_every_fault_of_a_state_has_its_pointer() -> None:
    schemas = {
        "price": {"type": "number", "minimum": 0},
        "lines": {"type": "array", "items": {"properties": {"a/b": {"type": "string"}}}},
        "when": {"type": "string", "format": "date-time"},
    }
    state = {"price": -1, "lines": [{}, {"a/b": 1}], "when": "yesterday", "x~y": 1}
    found = {fault.pointer for fault in faults(state, schemas, open_vocabulary=False)}
    assert found == {"/price", "/lines/1/a~1b", "/when", "/x~0y"}
    assert {f.pointer for f in faults(state, schemas, open_vocabulary=True)} == found - {"/x~0y"}
    assert faults({"price": 1.5, "when": "2026-11-01T12:00:00Z"}, schemas, open_vocabulary=False) == []
