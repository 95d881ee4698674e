"""What the documents take for granted, in the short form of `assumed/*.yaml`, as objects.

In: `assumed/NAME.yaml`.    Out: Obj: Namespaces, Deployments, Services, DestinationRules, Secrets ….
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509

from lateen.api.decode import decode_tree
from lateen.api.objects import Obj
from lateen.base.problem import has_errors
from lateen.sources.files import read_paths
from tests.envoy import pki

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
FOLDERS: Mapping[str, Path] = {
    "guide": EXAMPLES / "guide" / "en",
    "article": EXAMPLES / "article",
    "book": EXAMPLES / "book",
}
_CERTIFICATES = {"guide": "example-com-cert", "book": "tls-cert"}
Tree = dict[str, Any]


@cache
def assumed(name: str) -> tuple[Obj, ...]:
    """The objects that the documents of one source take for granted."""
    told = yaml.safe_load((HERE / "assumed" / f"{name}.yaml").read_text(encoding="utf-8"))
    read = read_paths([str(FOLDERS[name] / file) for file in told["files"]])
    assert not has_errors(read.problems), read.problems
    made = [_object(tree) for tree in _trees(told, _CERTIFICATES.get(name, ""))]
    return (*made, *read.objects)


def _object(tree: Tree) -> Obj:
    decoded = decode_tree(tree, places=None)
    assert not decoded.problems, decoded.problems
    return decoded.objects[0]


def _tree(version: str, kind: str, name: str, namespace: str, **more: object) -> Tree:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def _trees(told: Mapping[str, Any], certificate: str) -> Iterator[Tree]:
    for namespace, workloads in told["pods"].items():
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        for workload in workloads:
            yield from _workload(namespace, dict(workload))
    for service in told["services"]:
        ports = [{"name": "http", "port": 8000}]
        spec = {"selector": {"app": service}, "ports": ports}
        yield _tree("v1", "Service", service, "default", spec=spec)
    for host, subsets in told["subsets"].items():
        named = [{"name": name, "labels": {"version": v}} for name, v in subsets.items()]
        spec = {"host": host, "subsets": named}
        yield _tree(
            "networking.istio.io/v1", "DestinationRule", f"{host}-all", "default", spec=spec
        )
    for secret, keys in told["secrets"].items():
        yield _tree("v1", "Secret", secret, "default", stringData=dict.fromkeys(keys, "x"))
    for config_map in told["configMaps"]:
        yield _tree("v1", "ConfigMap", config_map, "default", data={})
    if not certificate:
        return
    pair = pki.Authority().sign(certificate, x509.DNSName(certificate))
    data = {
        "tls.crt": base64.b64encode(pair.certificate).decode(),
        "tls.key": base64.b64encode(pair.key).decode(),
    }
    yield _tree("v1", "Secret", certificate, "istio-system", type="kubernetes.io/tls", data=data)


def _workload(namespace: str, labels: Tree) -> Iterator[Tree]:
    account = labels.pop("account", "default")
    if account != "default":
        yield _tree("v1", "ServiceAccount", account, namespace)
    spec = {"serviceAccountName": account, "containers": [{"name": "app", "image": "app"}]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    yield _tree(
        "apps/v1",
        "Deployment",
        "-".join(("assumed", *labels.values())),
        namespace,
        spec={"selector": {"matchLabels": labels}, "template": template},
    )
