"""Logs and volumes on disk, the launch command, and streams that end halfway."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from lateen.api.interception import EVERYTHING, Interception
from lateen.base.clock import FakeClock
from lateen.node import launch, streams
from lateen.node.logs import MAX_LINE, ContainerLog, split_lines
from lateen.node.nft import encode
from lateen.node.protocol import ServiceAddress, VolumeFile, VolumeRun
from lateen.node.rules import TABLE, Sort, encode_pod, pod_chains
from lateen.node.serviceproxy import ServiceTable
from lateen.node.volumes import write_volume


def test_lines_are_cut_where_they_end_or_grow_too_long() -> None:
    split = split_lines(b"begun ", b"ended\n\nrest")
    assert split.pieces == ((b"F", b"begun ended"), (b"F", b""))
    assert split.rest == b"rest"
    long = split_lines(b"", b"x" * (2 * MAX_LINE) + b"y\n")
    assert [(tag, len(text)) for tag, text in long.pieces] == [
        (b"P", MAX_LINE),
        (b"P", MAX_LINE),
        (b"F", 1),
    ]
    assert len(split_lines(b"", b"x" * (5 * MAX_LINE)).rest) <= MAX_LINE


def test_a_log_is_in_cri_format_private_and_complete(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path / "app", 2, FakeClock())
    log.stdout(b"one\ntw")
    log.stderr(b"oh\n")
    log.stdout(b"o")
    log.close()
    log.stdout(b"too late\n")
    path = tmp_path / "app" / "2.log"
    head = "2026-01-01T00:00:00.000000000Z"
    assert path.read_text().splitlines() == [
        f"{head} stdout F one",
        f"{head} stderr F oh",
        f"{head} stdout F two",
    ]
    assert path.stat().st_mode & 0o777 == 0o600


def test_five_files_are_kept(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path, 0, FakeClock(), max_file=100)
    for number in range(20):
        log.stdout(f"line {number} {'x' * 40}\n".encode())
    log.close()
    assert sorted(os.listdir(tmp_path)) == ["0.log", *(f"0.log.{n}" for n in range(1, 5))]
    assert "line 19" in (tmp_path / "0.log").read_text()
    assert "line 15" in (tmp_path / "0.log.4").read_text()


def _volume(**files: bytes) -> VolumeRun:
    made = tuple(VolumeFile(path=name, content=text) for name, text in files.items())
    return VolumeRun(name="config", files=made)


def test_changed_files_appear_together(tmp_path: Path) -> None:
    write_volume(tmp_path, _volume(a=b"1", b=b"1"))
    place = tmp_path / "config"
    assert os.readlink(place / "a") == "..data/a"
    first = os.readlink(place / "..data")
    write_volume(tmp_path, _volume(a=b"1", b=b"1"))
    assert os.readlink(place / "..data") == first
    write_volume(tmp_path, _volume(a=b"2", c=b"2"))
    assert {p.name: p.read_text() for p in place.iterdir() if p.is_file()} == {"a": "2", "c": "2"}
    assert not (place / first).exists()


def test_a_volume_file_cannot_lead_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leads out"):
        write_volume(tmp_path, VolumeRun(name="v", files=(VolumeFile(path="../x", content=b""),)))


def test_services_hand_out_their_endpoints_in_turn() -> None:
    table = ServiceTable()
    ends = (("198.18.0.2", 80), ("198.18.0.3", 80))
    table.replace((ServiceAddress(address="198.19.0.1", port=80, endpoints=ends),))
    assert [table.endpoints("198.19.0.1", 80)[0] for _ in range(3)] == [*ends, ends[0]]
    assert table.endpoints("198.19.0.1", 81) == ()


def test_what_stands_behind_one_service_is_replaced_and_the_others_stay() -> None:
    table = ServiceTable()
    one, two = ("198.18.0.2", 80), ("198.18.0.3", 80)
    table.replace(
        ServiceAddress(address=address, port=80, endpoints=(one,))
        for address in ("198.19.0.1", "198.19.0.2")
    )
    table.update((ServiceAddress(address="198.19.0.1", port=80, endpoints=(two,)),))
    assert list(table.endpoints("198.19.0.1", 80)) == [two]
    assert list(table.endpoints("198.19.0.2", 80)) == [one]


def test_a_pod_goes_to_its_own_node_where_the_service_says_so() -> None:
    ends = tuple((f"198.18.0.{n}", 80) for n in (2, 3, 4))
    table = ServiceTable()
    service = ServiceAddress(
        address="198.19.0.1", port=80, endpoints=ends, nodes=("one", "two", "one")
    )
    table.replace((service,))
    assert set(table.endpoints("198.19.0.1", 80, node="one")) == {ends[0], ends[2]}
    assert table.endpoints("198.19.0.1", 80, node="three") == ()
    assert set(table.endpoints("198.19.0.1", 80)) == set(ends), "clients of the host"


def test_a_client_stays_with_its_endpoint_until_it_has_been_away_too_long() -> None:
    now = [0.0]
    ends = tuple((f"198.18.0.{n}", 80) for n in (2, 3, 4))
    table = ServiceTable(lambda: now[0])

    def service(*endpoints: tuple[str, int]) -> ServiceAddress:
        return ServiceAddress(address="198.19.0.1", port=80, endpoints=endpoints, affinity=10)

    def first(client: str) -> tuple[str, int]:
        return table.endpoints("198.19.0.1", 80, client)[0]

    table.replace((service(*ends),))
    assert [first(c) for c in ("a", "b", "a", "b", "a")] == [ends[n] for n in (0, 1, 0, 1, 0)]
    now[0] = 9.0
    assert first("a") == ends[0]
    now[0] = 18.0
    assert first("a") == ends[0], "its time begins anew with each connection"
    now[0] = 30.0
    assert first("a") == ends[2]
    table.replace((service(*ends[:2]),))
    assert first("a") in ends[:2], "its endpoint has gone"


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("spared", [EVERYTHING, Interception(inbound=(9000,), outbound=(53,))])
def test_the_template_of_rules_is_what_would_be_encoded(sort: Sort, spared: Interception) -> None:
    chains = pod_chains("198.18.3.4", sort, spared)
    assert encode_pod("198.18.3.4", sort, spared) == encode(TABLE, chains)


def test_the_command_ends_with_its_parent_and_maps_root_for_users() -> None:
    root, user = (
        launch.command(run=Path("/r"), state=Path("/s"), python="py", link_fd=7, rootless=rootless)
        for rootless in (False, True)
    )
    assert root[:4] == ["setpriv", "--pdeathsig", "KILL", "unshare"]
    assert "--kill-child" in root
    assert set(user) - set(root) == {"--user", "--map-root-user"}
    assert user[-6:] == ["--run", "/r", "--state", "/s", "--link", "7"]


async def _pair() -> tuple[tuple[asyncio.StreamReader, asyncio.StreamWriter], socket.socket]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    return await asyncio.open_connection(sock=ours), theirs


def test_an_end_of_input_is_passed_on_and_the_answer_still_comes() -> None:
    async def run() -> None:
        (client, client_end), (server, server_end) = await _pair(), await _pair()
        joining = asyncio.create_task(streams.join(client, server))

        def talk() -> bytes:
            client_end.sendall(b"question")
            client_end.shutdown(socket.SHUT_WR)
            heard = b""
            while part := server_end.recv(99):
                heard += part
            server_end.sendall(b"answer to " + heard)
            server_end.close()
            answer = client_end.recv(99)
            client_end.close()
            return answer

        assert await asyncio.to_thread(talk) == b"answer to question"
        await joining

    asyncio.run(run())


def test_a_machine_that_cannot_is_told_why_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None)
    assert launch.supported() == "pods need the program setpriv (package util-linux)"
    monkeypatch.setattr("platform.release", lambda: "5.4.0-generic")
    assert launch.supported() == "pods need Linux 5.12 or newer; this is 5.4.0-generic"
