"""Merge patch and preconditions."""

from typing import Any

import pytest

from jobs.domain.errors import PreconditionFailed
from jobs.domain.merge_patch import merge_patch
from jobs.domain.preconditions import NO_PRECONDITION, Precondition, etag


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # the cases of RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result


TAG = etag("j", 3)


@pytest.mark.parametrize(
    ("precondition", "current", "holds"),
    [
        (NO_PRECONDITION, None, True),
        (NO_PRECONDITION, TAG, True),
        (Precondition(if_match=(TAG,)), TAG, True),
        (Precondition(if_match=('"x"', TAG)), TAG, True),
        (Precondition(if_match=("*",)), TAG, True),
        (Precondition(if_match=("*",)), None, False),
        (Precondition(if_match=(TAG,)), None, False),
        (Precondition(if_match=("W/" + TAG,)), TAG, False),
        (Precondition(if_match=()), TAG, False),
        (Precondition(if_none_match_any=True), None, True),
        (Precondition(if_none_match_any=True), TAG, False),
    ],
)
def test_preconditions(precondition: Precondition, current: str | None, holds: bool) -> None:
    if holds:
        precondition.check(current)
        return
    with pytest.raises(PreconditionFailed) as caught:
        precondition.check(current)
    assert caught.value.extra["etag"] == current
