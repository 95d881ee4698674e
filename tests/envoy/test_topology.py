"""What stands in front of a gateway, with real Envoys: proxies that are believed, PROXY protocol, header case."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from lateen.ir.manners import AT_THE_EDGE, Patience
from lateen.translate.manners import AT_AN_EDGE
from tests.envoy.apps import get
from tests.envoy.test_gateway import HTTP, standing

HOST = "shop.example.com"


def test_the_app_learns_both_the_client_and_the_proxy_that_told_of_it(tmp_path: Path) -> None:
    with standing(tmp_path, replace(AT_THE_EDGE, trusted_proxies=1)):
        claims = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
        seen = json.loads(get(HTTP, HOST, "/", claims)[1])
    assert seen["x-forwarded-for"].replace(" ", "") == "203.0.113.9,127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"


def _answer(data: bytes) -> bytes:
    with closing(socket.create_connection(("127.0.0.1", HTTP), 10)) as link:
        link.sendall(data)
        return b"".join(iter(lambda: link.recv(4096), b""))


def _asking(name: str) -> bytes:
    return f"GET / HTTP/1.1\r\nHost: {HOST}\r\n{name}: 1\r\nConnection: close\r\n\r\n".encode()


def test_a_client_is_who_the_proxy_protocol_says(tmp_path: Path) -> None:
    with standing(tmp_path, replace(AT_THE_EDGE, proxy_protocol=True)):
        told = b"PROXY TCP4 203.0.113.9 192.0.2.1 5000 80\r\n"
        body = _answer(told + _asking("x")).partition(b"\r\n\r\n")[2]
        assert json.loads(body)["x-forwarded-for"] == "203.0.113.9"
        assert _answer(_asking("x")) == b""


def test_http_1_0_is_answered_where_it_is_said(tmp_path: Path) -> None:
    old = f"GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()
    with standing(tmp_path / "without", AT_THE_EDGE):
        assert _answer(old).startswith(b"HTTP/1.1 426 ")
    with standing(tmp_path / "with", replace(AT_THE_EDGE, http10=True)):
        assert _answer(old).startswith(b"HTTP/1.0 200 ")


def test_a_client_that_does_not_finish_its_headers_is_sent_away(tmp_path: Path) -> None:
    with standing(tmp_path, replace(AT_THE_EDGE, patience=Patience(request_headers=0.3))):
        assert _answer(b"GET / HTTP/1.1\r\n").startswith(b"HTTP/1.1 408 ")


def test_the_edge_profile_is_taken_by_envoy(tmp_path: Path) -> None:
    with standing(tmp_path, replace(AT_THE_EDGE, patience=AT_AN_EDGE)):
        assert get(HTTP, HOST, "/", {})[0] == 200


def test_header_names_keep_their_case_on_both_ways(tmp_path: Path) -> None:
    with standing(tmp_path, replace(AT_THE_EDGE, keeps_case=True)):
        head = _answer(_asking("X-Legacy-App")).partition(b"\r\n\r\n")[0]
        (line,) = (each for each in head.split(b"\r\n") if each.startswith(b"X-Names: "))
        assert b"X-Legacy-App" in line
