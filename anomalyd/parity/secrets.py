"""Secrets in settings: known by the name of their key or by their own shape, never shown.

What is masked keeps a tag, equal for equal secrets within one comparison and of no use after it:
an HMAC under a key that is drawn anew for each.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from itertools import pairwise

_NAMED = re.compile(
    r"pass(word|wd|phrase)?$|passw|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key"
    r"|encryption[_-]?key|signing[_-]?key|credential|client[_-]?key|auth[_-]?key|bearer|cookie"
    r"|authorization|webhook[_-]?url|connection[_-]?string|dsn$|(^|[_.-])salt$|(^|[_-])key$",
    re.IGNORECASE,
)
_ABOUT_ONE = re.compile(
    r"(name|file|path|dir|ref|url_path|ttl|timeout|seconds|minutes|hours|expiry|expires\w*|expiration"
    r"|lifetime|length|size|bytes|count|limit|limits|max\w*|min\w*|enabled|required|type|algorithm"
    r"|policy|rotation|version|header|audience|issuer|endpoint|host|port|mount\w*|provider)$",
    re.IGNORECASE,
)
"""Keys that speak of a secret and hold none: `tokenExpirySeconds`, `secretName`."""
_SECTION = re.compile(r"^(secrets?|credentials?|passwords?|tokens|stringdata)$", re.IGNORECASE)

_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # JSON Web Token, RFC 7519
    r"|\b(AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\b(gh[pousr]_|github_pat_|glpat-|glsa_|xox[abprs]-|sk_live_|sk-|rk_live_|AIza|SG\.|npm_|dop_v1_|hvs\.)"
    r"[\w.-]{10,}"
    r"|\b(Bearer|Basic) [\w.~+/=-]{8,}"
)
_USER = re.compile(r"(?<=://)([^\s/:@]*):([^\s/@]+)(?=@)")
_ASSIGNED = re.compile(
    r"(?i)((?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|accountkey|sig)"
    r"\s*[=:]\s*)([^\s;,&\"']+)"
)
_LONG = re.compile(r"(?<![\w/+:.@-])[A-Za-z0-9+/_-]{28,}={0,2}(?![\w/+.:-])")
_HEX = re.compile(r"(?<![\w:@/.-])[0-9a-fA-F]{32,}(?![\w.-])")
_HARMLESS = re.compile(
    r"sha|digest|checksum|hash|commit|revision|git|image|tag|etag|fingerprint|uid|uuid", re.I
)


class Mask:
    """Masks texts of one comparison: both environments go through the same one."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(16)

    def value(self, path: Sequence[str], text: str) -> tuple[str, bool]:
        """`text` as it may be shown, and whether all of it is a secret by the name of its key."""
        if text and is_secret(path):
            return self.tag(text), True
        return self.text(text, harmless=any(_HARMLESS.search(key) for key in path[-2:])), False

    def words(self, words: Sequence[str]) -> list[str]:
        """The words of a command line: what follows `--password` is one."""
        masked = [self.text(word) for word in words]
        for at, word in enumerate(words[:-1]):
            name = word.lstrip("-")
            if word.startswith("-") and "=" not in word and is_secret([name]):
                masked[at + 1] = self.tag(words[at + 1])
        return masked

    def text(self, text: str, harmless: bool = False) -> str:
        """`text` without what has the shape of a secret."""
        text = _SHAPES.sub(lambda found: self.tag(found[0]), text)
        text = _USER.sub(lambda found: f"{found[1]}:{self.tag(found[2])}", text)
        text = _ASSIGNED.sub(lambda found: found[1] + self.tag(found[2]), text)
        if harmless:
            return text
        text = _HEX.sub(lambda found: self.tag(found[0]), text)
        return _LONG.sub(lambda found: self._random(found[0]), text)

    def _random(self, text: str) -> str:
        """Long words of letters, digits and both cases are random, names are not."""
        kinds = (str.isupper, str.islower, str.isdigit)
        mixed = all(any(kind(one) for one in text) for kind in kinds)
        return self.tag(text) if mixed and _changes(text) >= len(text) / 4 else text

    def tag(self, text: str) -> str:
        """What stands for `text`."""
        if text.startswith("‹secret "):
            return text
        digest = hmac.new(self._key, text.encode(errors="replace"), hashlib.sha256).hexdigest()
        return f"‹secret {digest[:8]}›"


def is_secret(path: Sequence[str]) -> bool:
    """Whether what stands at `path`, keys from the outside in, is a secret by its name."""
    if any(_SECTION.match(key) for key in path[:-1]):
        return True
    name = path[-1] if path else ""
    if name.lower() in ("value", "default") and len(path) > 1:
        name = path[-2]
    return bool(_NAMED.search(name)) and not _ABOUT_ONE.search(name)


def _changes(text: str) -> int:
    """How often one kind of character follows another: a name in CamelCase has few."""
    kinds = [(c.isupper(), c.isdigit()) for c in text]
    return sum(a != b for a, b in pairwise(kinds))
