"""Choosing one page of many series without making an object of each."""

from __future__ import annotations

from collections.abc import Sequence


def select(keys: Sequence[str], match: str, offset: int, limit: int) -> tuple[list[int], int]:
    """Indices into `keys` of those that contain `match`, `limit` of them from `offset` on, in the
    order of `keys`; and how many match. An empty `match` is in every key.

    >>> select(["a{}", "b{}", "ab{}"], "b", 0, 1)
    ([1], 2)
    """
    if not match:
        return list(range(len(keys))[offset : offset + limit]), len(keys)
    found = [index for index, key in enumerate(keys) if match in key]
    return found[offset : offset + limit], len(found)
