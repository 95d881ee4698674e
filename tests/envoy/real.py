"""Ask the real Envoy: whether it accepts resources, and what it does with them.

In: Resources, bootstraps.     Out: its complaints; a running Envoy on the loopback.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from lateen.api.envoywords import message_class, words_of
from lateen.envoy.resources import Resource, Resources, ResourceType

Json = dict[str, Any]


def binary() -> str:
    spec = importlib.util.find_spec("envoy")
    assert spec is not None
    assert spec.submodule_search_locations
    return str(Path(spec.submodule_search_locations[0]) / "_bin" / "envoy")


def message_json(message: Message) -> Json:
    """A message as Envoy's JSON."""
    made: Json = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return made


def as_json(kind: ResourceType, resource: Resource) -> Json:
    """The resource as Envoy's JSON, with all extensions unpacked."""
    name = kind.value.rpartition("/")[2]
    return words_of(message_class(name).FromString(resource.body))


def all_json(resources: Resources, kind: ResourceType) -> list[Json]:
    return [as_json(kind, each) for each in resources[kind].values()]


def _secrets_here(value: Any) -> Any:
    """Take secrets from the bootstrap itself.

    A cluster of the bootstrap is made before its ADS stream is there: with SDS over ADS this Envoy
    dies of it. Clusters that come by CDS, as all of ours do, are not concerned.
    """
    if isinstance(value, list):
        return [_secrets_here(each) for each in value]
    if isinstance(value, dict):
        return {key: _secrets_here(each) for key, each in value.items() if key != "sds_config"}
    return value


def with_tables(resources: Resources) -> list[Json]:
    """The listeners, each `rds` replaced by the table of that name, so that nothing is fetched."""
    tables = {each["name"]: each for each in all_json(resources, ResourceType.ROUTES)}

    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(each) for each in value]
        if not isinstance(value, dict):
            return value
        made = {key: put(each) for key, each in value.items() if key != "rds"}
        if "rds" in value:
            made["route_config"] = tables[value["rds"]["route_config_name"]]
        return made

    return [put(each) for each in all_json(resources, ResourceType.LISTENER)]


def _here(cluster: Json, assignments: Mapping[str, Json]) -> Json:
    """A cluster with its endpoints built in."""
    made = {key: each for key, each in cluster.items() if key != "eds_cluster_config"}
    if made.get("type") == "EDS":
        empty = {"cluster_name": made["name"]}
        made |= {"type": "STATIC", "load_assignment": assignments.get(made["name"], empty)}
    return made


def add_static(bootstrap: str, resources: Resources, *secrets: Resource) -> Json:
    """A bootstrap with the resources and these secrets built in instead of fetched."""
    made: Json = json.loads(bootstrap)
    static = made["static_resources"]
    assignments = all_json(resources, ResourceType.ENDPOINTS)
    by_name = {each["cluster_name"]: each for each in assignments}
    static["clusters"] += [
        _here(each, by_name) for each in all_json(resources, ResourceType.CLUSTER)
    ]
    static.setdefault("listeners", []).extend(with_tables(resources))
    static["secrets"] = all_json(resources, ResourceType.SECRET)
    static["secrets"] += [as_json(ResourceType.SECRET, each) for each in secrets]
    return {**made, "static_resources": _secrets_here(static)}


def validate(config: Json, folder: Path) -> str:
    """What Envoy says against a configuration; "" if it would take it."""
    path = folder / "validate.json"
    path.write_text(json.dumps(config))
    command = [binary(), "--mode", "validate", "-c", str(path), "-l", "warning"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else _complaint(done.stderr.splitlines())


def on_loopback(config: Json, ports: Mapping[str, int], apps: Mapping[str, int]) -> Json:
    """The configuration for a machine without redirection.

    `ports`: listener name -> the port it listens on at 127.0.0.1, others are dropped; `apps`:
    cluster name -> the port of the app that the cluster leads to.
    """
    static = config["static_resources"]
    static["listeners"] = [
        {key: each for key, each in listener.items() if key not in {"bind_to_port", "address"}}
        | {"address": {"socket_address": _loopback(ports[listener["name"]])}}
        for listener in static["listeners"]
        if listener["name"] in ports
    ] + [each for each in static["listeners"] if "internal_listener" in each]
    for cluster in static["clusters"]:
        cluster.pop("upstream_bind_config", None)  # its mark needs a privilege
        if cluster["name"] in apps:
            address = {"socket_address": _loopback(apps[cluster["name"]])}
            place = {"lb_endpoints": [{"endpoint": {"address": address}}]}
            cluster |= {"type": "STATIC", "lb_policy": "ROUND_ROBIN"}
            cluster["load_assignment"] = {"cluster_name": "x", "endpoints": [place]}
    return config


def _loopback(port: int) -> Json:
    return {"address": "127.0.0.1", "port_value": port}


@contextmanager
def running(config: Json, folder: Path) -> Iterator[Path]:
    """An Envoy with only this static configuration, ready; gives the path of its output."""
    folder.mkdir(mode=0o700, exist_ok=True)
    config.pop("dynamic_resources", None)
    admin = config["admin"]["address"]["pipe"]["path"]
    path, output = folder / "envoy.json", folder / "envoy.log"
    path.write_text(json.dumps(config))
    command = [binary(), "-c", str(path), "--concurrency", "1", "-l", "warning"]
    command += ["--disable-hot-restart", "--file-flush-interval-msec", "10"]
    with (
        output.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as envoy,
    ):
        try:
            _wait_ready(envoy, admin, output)
            yield output
        finally:
            envoy.terminate()
            envoy.wait(10)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self._path)


def ask(path: str, page: str) -> str:
    """The body of a page of the HTTP server at a Unix socket; "" while there is none."""
    try:
        with closing(_UnixConnection(path)) as link:
            link.request("GET", page)
            return link.getresponse().read().decode()
    except OSError:
        return ""


def _wait_ready(envoy: subprocess.Popen[bytes], admin: str, output: Path) -> None:
    until = time.monotonic() + 20
    while "LIVE" not in ask(admin, "/ready"):
        assert envoy.poll() is None, output.read_text()
        assert time.monotonic() < until, output.read_text()
        time.sleep(0.02)


def _complaint(lines: Iterable[str]) -> str:
    return "\n".join(line for line in lines if "error" in line or "critical" in line)


def line_in(log: Path, wanted: str) -> str:
    """The first line of an Envoy's output that holds the text, once it has been written."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for line in log.read_text().splitlines():
            if wanted in line:
                return line
        time.sleep(0.02)
    raise AssertionError(f"no {wanted!r} in {log.read_text()}")


def put_certificate(config: Json, certificate: bytes, key: bytes) -> None:
    """Put a real certificate in the place of every one of the configuration's own."""
    for secret in config["static_resources"]["secrets"]:
        if "tls_certificate" in secret:
            secret["tls_certificate"] = {
                "certificate_chain": {"inline_string": certificate.decode()},
                "private_key": {"inline_string": key.decode()},
            }
