"""Operation names with what is of one request only (ids, numbers, digests) folded to `{id}`."""

from __future__ import annotations

import re

LONGEST = 200
"""Characters of a name that are looked at; the rest is cut off."""

ID = "{id}"

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ADDRESS = r"[^\s/@]{1,64}@[^\s/@]{1,64}"
_NUMBER = r"[0-9]+"
_HEX = r"(?:0x[0-9a-fA-F]+|(?=[a-fA-F]*[0-9])[0-9a-fA-F]{8,})"
_TOKEN = r"(?=(?:[A-Za-z_]*[0-9]){3})(?=[0-9_]*[A-Za-z])[A-Za-z0-9_]{20,}"  # noqa: S105
_WHOLE = r"(?<![A-Za-z0-9_.{])(?:%s)(?![A-Za-z0-9_}]|\.[0-9])"

_FOLDS = (
    re.compile(_ADDRESS),
    re.compile(_WHOLE % "|".join((_UUID, _HEX, _NUMBER, _TOKEN))),
    re.compile(r"(?<=[-_])[0-9]+(?![A-Za-z0-9_])"),
)
_RUN = re.compile(re.escape(ID) + r"(?:[-:,]" + re.escape(ID) + r")+")
_HAS_DIGIT_OR_AT = re.compile(r"[0-9@?]")


def fold(name: str) -> str:
    """`GET /users/42` as `GET /users/{id}`: numbers, uuids, hex of eight and more, e-mail
    addresses and long mixed tokens that stand by themselves; a query string is cut off. Versions
    (`v2`, `oauth2`, `1.2`) and words stay."""
    name = name[:LONGEST]
    if not _HAS_DIGIT_OR_AT.search(name):
        return name
    if "/" in name:
        name = name.split("?", 1)[0]
    for pattern in _FOLDS:
        name = pattern.sub(ID, name)
    return _RUN.sub(ID, name)
