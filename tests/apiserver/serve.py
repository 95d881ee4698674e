"""Run an API in a test, and speak to it as an HTTP client does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

Client = TestClient[web.Request, web.Application]
TOKEN = "a-token-of-the-admin"


@asynccontextmanager
async def client_of(app: web.Application, *, token: str = TOKEN) -> AsyncIterator[Client]:
    """A client of the application over loopback TCP that shows the token ("" for none)."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with TestClient(TestServer(app), headers=headers) as client:
        yield client


async def asked(client: Client, method: str, path: str, **more: Any) -> tuple[int, Any]:
    """The status and the JSON of an answer."""
    async with client.request(method, path, **more) as answer:
        return answer.status, await answer.json()
