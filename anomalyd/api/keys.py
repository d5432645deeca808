"""What an application holds for its handlers."""

from __future__ import annotations

from aiohttp import web

from anomalyd.api.access import Access
from anomalyd.api.control import Control
from anomalyd.api.hub import Hub

CONTROL = web.AppKey("control", Control)
HUB = web.AppKey("hub", Hub)
ACCESS = web.AppKey("access", Access)
HEARTBEAT = web.AppKey("heartbeat", float)
