"""JSON Merge Patch (RFC 7396)."""

from collections.abc import Mapping


def merge_patch(target: object, patch: object) -> object:
    """`target` as `patch` changes it, after the algorithm of RFC 7396 §2; neither argument is touched."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result
