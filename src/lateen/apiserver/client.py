"""Ask a running lateen, from the command line.

In: the API's Unix socket.    Out: its answers as plain data.
Before: -        After: cli/, app/supervising.py

Only the standard library, so that a command starts quickly.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lateen.base.errors import Conflict, EnvironmentFault, LateenError, NotFound, Unreachable

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 120.0
_WHERE = "localhost"


class Client:
    """Speaks to the control plane of one mesh. Each call is a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, path: str, *, timeout: float = ANSWER_SECONDS) -> Any:
        """The JSON (or, for other types, the text) at the path.

        Raises Unreachable if nobody answers within `timeout` seconds, NotFound, EnvironmentFault.
        """
        with self._answer("GET", path, None, timeout) as answer:
            return _read(answer)

    def post(self, path: str, body: Any, *, timeout: float = ANSWER_SECONDS) -> Any:
        """Send JSON and give the answer's; raises as `get` does."""
        with self._answer("POST", path, body, timeout) as answer:
            return _read(answer)

    def stream_lines(self, path: str) -> Iterator[str]:
        """The lines of an answer as they come, each with its newline, for as long as it takes."""
        with self._answer("GET", path, None, None) as answer:
            try:
                for line in answer:
                    yield line.decode("utf-8", "replace")
            except (OSError, http.client.HTTPException) as fault:
                raise Unreachable(f"the control plane went away: {fault}") from None

    @contextmanager
    def _answer(
        self, method: str, path: str, body: Any, timeout: float | None
    ) -> Iterator[http.client.HTTPResponse]:
        connection = _Connection(self._path, timeout)
        content = None if body is None else json.dumps(body).encode()
        headers: Mapping[str, str] = {} if body is None else {"Content-Type": "application/json"}
        try:
            try:
                connection.request(method, path, content, dict(headers))
                answer = connection.getresponse()
            except TimeoutError:
                raise Unreachable(f"the control plane does not answer ({self._path})") from None
            except (OSError, http.client.HTTPException):
                raise Unreachable(f"no lateen runs here ({self._path})") from None
            if answer.status >= 400:
                raise _fault(answer.status, answer.read())
            yield answer
        finally:
            connection.close()


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket; `timeout` in seconds for each read, None for none."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__(_WHERE)
        self._path = path
        self._patience = timeout

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CONNECT_SECONDS)
        self.sock.connect(str(self._path))
        self.sock.settimeout(self._patience)


def _read(answer: http.client.HTTPResponse) -> Any:
    try:
        content = answer.read()
    except (OSError, http.client.HTTPException) as fault:
        raise Unreachable(f"the control plane went away: {fault}") from None
    if answer.headers.get_content_type() == "application/json":
        return json.loads(content)
    return content.decode("utf-8", "replace")


def _fault(status: int, content: bytes) -> LateenError:
    """What a refusal is on this side; its words are the server's."""
    try:
        message = str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        said = content.decode("utf-8", "replace").strip()
        message = said if said and "\n" not in said else f"HTTP {status}"
    match status:
        case 404:
            return NotFound(message)
        case 409:
            return Conflict(message)
        case _:
            return EnvironmentFault(message)
