"""Make src/lateen/apiserver/kubernetes_wire.json of the Go sources of k8s.io/api.

In: `go mod download` of the two modules below.    Out: field numbers and JSON names of each message.

`python tools/kubernetes_wire.py`, once for each new version of Kubernetes; needs Go. The struct tags say
all there is to know: `json:"replicas,omitempty" protobuf:"varint,1,opt,name=replicas"`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

VERSION = "v0.34.1"
OUT = Path(__file__).parent.parent / "src/lateen/apiserver/kubernetes_wire.json"
GROUPS = (
    "admissionregistration/v1",
    "apps/v1",
    "authentication/v1",
    "authorization/v1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "coordination/v1",
    "core/v1",
    "discovery/v1",
    "events/v1",
    "networking/v1",
    "policy/v1",
    "rbac/v1",
    "scheduling/v1",
    "storage/v1",
)
META = "meta/v1"
# Types whose form in JSON is not that of their fields; apiserver/protobuf.py knows them by these names.
SPECIAL = {
    "intstr.IntOrString": "IntOrString",
    "resource.Quantity": "Quantity",
    "metav1.Time": "Time",
    "metav1.MicroTime": "MicroTime",
    "metav1.Duration": "Duration",
    "metav1.FieldsV1": "FieldsV1",
    "runtime.RawExtension": "RawExtension",
    "ExtraValue": "ExtraValue",
}
SCALARS = {
    "string": "string",
    "types.UID": "string",
    "bool": "bool",
    "int32": "int",
    "int64": "int",
    "int": "int",
    "[]byte": "bytes",
}
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.M | re.S)
_ALIAS = re.compile(r"^type (\w+) ([\w.\[\]*]+)$", re.M)
_FIELD = re.compile(r"^\t(?:(\w+)\s+)?([\w.\[\]*]+)\s+`([^`]*)`", re.M)
_IMPORT = re.compile(r'^\t(\w+ )?"k8s.io/(?:api|apimachinery/pkg/apis)/([\w/]+)"', re.M)


def module(path: str) -> Path:
    """The folder of a module's sources, downloaded."""
    asked = ["go", "mod", "download", "-json", f"{path}@{VERSION}"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    return Path(json.loads(told)["Dir"])


class Package:
    """The structs and aliases of one group version."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        files = [p for p in sorted(folder.glob("*.go")) if "generated" not in p.name]
        text = "\n".join(p.read_text() for p in files if not p.name.endswith("_test.go"))
        self.structs = dict(_STRUCT.findall(text))
        self.aliases = dict(_ALIAS.findall(text))
        self.imports = {
            (alias.strip() or path.rpartition("/")[2]): path
            for alias, path in _IMPORT.findall(text)
        }

    def messages(self) -> dict[str, dict[str, list[Any]]]:
        """Every struct's fields by number: JSON name, type, shape, whether a zero is kept."""
        made = {}
        for struct, body in self.structs.items():
            fields = (self._field(*found) for found in _FIELD.findall(body))
            made[f"{self.name}.{struct}"] = dict(f for f in fields if f)
        return made

    def _field(self, name: str, go_type: str, tags: str) -> tuple[str, list[Any]] | None:
        wire = re.search(r'protobuf:"\w+,(\d+),', tags)
        said = re.search(r'json:"([^"]*)"', tags)
        if not wire or not said:
            return None
        json_name, *options = said[1].split(",")
        pointer = go_type.startswith("*")
        shape, type_ = self._type(go_type.removeprefix("*"))
        return wire[1], [json_name, type_, shape, pointer or "omitempty" not in options]

    def _type(self, go_type: str) -> tuple[str, str]:
        go_type = go_type.removeprefix("*")
        if go_type in self.aliases and go_type not in SPECIAL:
            return self._type(self.aliases[go_type])
        if go_type not in SCALARS and go_type.startswith("[]"):
            return "many", self._type(go_type[2:])[1]
        if found := re.fullmatch(r"map\[[\w.]+\](.+)", go_type):
            return "map", self._type(found[1])[1]
        return "one", self._name(go_type)

    def _name(self, go_type: str) -> str:
        if found := SPECIAL.get(go_type) or SCALARS.get(go_type):
            return found
        package, _, name = go_type.rpartition(".")
        if not package and self.name == META and f"metav1.{name}" in SPECIAL:
            return SPECIAL[f"metav1.{name}"]
        if not package:
            return f"{self.name}.{name}"
        return f"{self.imports[package]}.{name}"


def main() -> int:
    """Write the table."""
    api, machinery = module("k8s.io/api"), module("k8s.io/apimachinery")
    packages = [Package(name, api / name) for name in GROUPS]
    packages.append(Package(META, machinery / "pkg/apis" / META))
    known = {p.name: p for p in packages}
    messages: dict[str, Any] = {}
    for package in packages:
        messages |= package.messages()
    for (
        fields
    ) in messages.values():  # an alias of another package: core/v1.ResourceList and the like
        for field in fields.values():
            if field[1] not in messages and "." in field[1]:
                home, _, name = field[1].rpartition(".")
                shape, field[1] = known[home]._type(name)
                field[2] = shape if shape != "one" else field[2]
    messages = {k: v for k, v in messages.items() if not k.endswith("List") and v}
    lines = (f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in messages.items())
    OUT.write_text("{\n" + ",\n".join(sorted(lines)) + "\n}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
