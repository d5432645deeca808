"""What a reload can change, and what takes a restart."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from anomalyd.api.access import Access
from anomalyd.config import Api, Config

log = logging.getLogger(__name__)

FIXED = ("api", "otlp", "state_dir", "telemetry")
"""Sections and settings that are read once: sockets, locks and exporters hang on them."""


def applicable(new: Config, old: Config) -> Config:
    """`new`, but what takes a restart stays as in `old`; such settings that changed are named."""
    for name in FIXED:
        for path in _changed(name, getattr(new, name), getattr(old, name)):
            log.warning("%s has changed; that takes a restart", path)
    if new.environments.otlp and not old.environments.otlp:
        log.warning("an environment has otlp now; to listen for it takes a restart")
    return new.model_copy(update={name: getattr(old, name) for name in FIXED})


def _changed(path: str, new: object, old: object) -> Iterator[str]:
    """Dotted paths of the settings in which two sections differ."""
    if not isinstance(new, BaseModel):
        if new != old:
            yield path
        return
    for name, value in new:
        yield from _changed(f"{path}.{name}", value, getattr(old, name))


def reread_token(accesses: Iterable[Access], new: Api, old: Api) -> None:
    """Let in who has the token that `api.token_file` holds now; another file takes a restart."""
    if new.token_file is not None and new.token_file == old.token_file:
        token = new.secret()
        for access in accesses:
            access.token = token


def apply_log_level(config: Config) -> None:
    root, level = logging.getLogger(), logging.getLevelNamesMapping()[config.log_level.upper()]
    if level == root.level:
        return
    root.setLevel(min(level, root.level))  # so that the change is told whichever way it goes
    log.warning("log_level is %s from here on", config.log_level)
    root.setLevel(level)
