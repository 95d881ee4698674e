"""Check what policies and Services select, and what pods refer to.

In: the object, an Inventory.    Out: problems.
Before: check/inventory.py       After: check/together.py
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from lateen.api.codes import (
    NO_PODS,
    NO_SUCH_PORT_NAME,
    NO_WORKLOADS,
    NOBODY,
    PATHS_READ,
    REFERENCE_NOT_FOUND,
)
from lateen.api.pod import Container, PodSpec
from lateen.api.security import (
    GATEWAY_NAME,
    GATEWAY_TARGET,
    AuthorizationPolicy,
    PolicyTargetReference,
    WorkloadSelector,
)
from lateen.api.service import Service
from lateen.base.problem import Problem
from lateen.check.at import At
from lateen.check.inventory import ROOT_NAMESPACE, Inventory

_LOOSE = {
    "NONE": "/./, //, %61, \\ or %2F",
    "BASE": "// or %2F",
    "MERGE_SLASHES": "%2F, where the app reads it as a slash",
}


def check_selector(
    selector: WorkloadSelector | None, at: At, inventory: Inventory
) -> Iterator[Problem]:
    """A policy's pods; in the root namespace its selector reaches into all."""
    if selector is None or not selector.match_labels:
        return
    namespace = at.obj.key.namespace
    where = None if namespace == ROOT_NAMESPACE else namespace
    if not inventory.selected(selector.match_labels, where):
        shown = ",".join(f"{k}={v}" for k, v in sorted(selector.match_labels.items()))
        words = f"No matching workloads for this resource with the following labels: {shown}"
        yield at.key("spec", "selector").warning(words, code=NO_WORKLOADS)


def check_attachment(
    targets: tuple[PolicyTargetReference, ...], at: At, inventory: Inventory
) -> Iterator[Problem]:
    """A policy's Gateways by name: no pod may say that it is one of theirs."""
    for index, target in enumerate(targets):
        if (target.group, target.kind) != GATEWAY_TARGET:
            continue
        label = {GATEWAY_NAME: target.name}
        if not inventory.selected(label, at.obj.key.namespace):
            words = (
                f"No matching workloads for this resource: no pod has the label {GATEWAY_NAME}:"
                f" {target.name}. The kind Gateway of {target.group} is not known here, and a Gateway of"
                " networking.istio.io is not what is meant"
            )
            fix = "a selector with the labels of the gateway's pods"
            yield at.key("spec", "targetRefs").item(index).warning(words, fix, NO_WORKLOADS)


def check_identities(
    policy: AuthorizationPolicy, at: At, inventory: Inventory
) -> Iterator[Problem]:
    """Namespaces and principals a policy names: do they exist?"""
    identities = inventory.identities
    for index, rule in enumerate(policy.spec.rules):
        for number, origin in enumerate(rule.from_):
            here = at.key("spec", "rules").item(index).key("from").item(number).key("source")
            for field, names in (
                ("namespaces", origin.source.namespaces),
                ("notNamespaces", origin.source.not_namespaces),
            ):
                for place, name in enumerate(names):
                    if name and not any(fnmatchcase(known, name) for known in inventory.namespaces):
                        words = f'Referenced namespace not found: "{name}"'
                        found = here.key(field).item(place)
                        yield found.error(words, code=REFERENCE_NOT_FOUND)
            for place, principal in enumerate(origin.source.principals):
                who = _identity(principal)
                if who and who not in identities:
                    words = f'no pod runs as "{principal}": no request can match it'
                    fix = f"give a pod of namespace {who[0]} serviceAccountName: {who[1]}"
                    yield here.key("principals").item(place).warning(words, fix, NOBODY)


def check_mesh_settings(
    policy: AuthorizationPolicy, at: At, inventory: Inventory
) -> Iterator[Problem]:
    """What a policy needs of the mesh's settings: its authorizer, and how paths are read."""
    spec, mesh = policy.spec, inventory.mesh
    if spec.provider and spec.action == "CUSTOM":
        known = {p.name for p in mesh.extension_providers if p.authorizes}
        if spec.provider.name not in known:
            words = f'no authorizer "{spec.provider.name}" in the mesh\'s settings: what these rules match is refused'
            fix = "extensionProviders of ConfigMap istio in istio-system"
            yield at.key("spec", "provider", "name").error(words, fix, REFERENCE_NOT_FOUND)
    reads = mesh.path_normalization.normalization if mesh.path_normalization else "DEFAULT"
    compared = (
        at.key("spec", "rules").item(index).key("to").item(number).key("operation")
        for index, rule in enumerate(spec.rules)
        for number, to in enumerate(rule.to)
        if to.operation.paths or to.operation.not_paths
    )
    if first := next(compared, None):
        yield from _read_as(reads, first)


def _read_as(reads: str, at: At) -> Iterator[Problem]:
    """How the paths of a request are read before these are compared with them."""
    if reads == "DEFAULT":
        words = (
            "paths are compared with slashes merged and %2F read as a slash, as with"
            " DECODE_AND_MERGE_SLASHES; Istio's own default, BASE, does neither"
        )
        fix = "pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES} has Istio do the same"
        yield at.info(words, fix, code=PATHS_READ)
    elif reads in _LOOSE:
        words = f"with pathNormalization {reads} a request gets past these paths by {_LOOSE[reads]}"
        fix = "normalization: DECODE_AND_MERGE_SLASHES"
        yield at.warning(words, fix, code=PATHS_READ)


def _identity(principal: str) -> tuple[str, str] | None:
    """Namespace and service account of `TRUST-DOMAIN/ns/NAMESPACE/sa/NAME` without wildcards."""
    parts = principal.split("/")
    if len(parts) != 5 or (parts[1], parts[3]) != ("ns", "sa") or "*" in principal:
        return None
    return parts[2], parts[4]


def check_service_pods(service: Service, at: At, inventory: Inventory) -> Iterator[Problem]:
    """A Service's pods, and the port names it expects of them."""
    spec = service.spec
    if not spec.selector or spec.type == "ExternalName":
        return
    pods = inventory.selected(spec.selector, at.obj.key.namespace)
    if not pods:
        shown = ",".join(f"{k}={v}" for k, v in sorted(spec.selector.items()))
        words = f"no pods carry the labels {shown}: the Service has no endpoints"
        yield at.key("spec", "selector").warning(words, code=NO_PODS)
        return
    for index, port in enumerate(spec.ports):
        name = port.target_port
        if isinstance(name, str) and not any(name in pod.port_names for pod in pods):
            known = sorted({n for pod in pods for n in pod.port_names})
            fix = f"its pods have: {', '.join(known)}" if known else "use a number"
            here = at.key("spec", "ports").item(index).key("targetPort")
            words = f'no container of its pods has a port named "{name}"'
            yield here.warning(words, fix, NO_SUCH_PORT_NAME)


def check_pod_references(spec: PodSpec, at: At, inventory: Inventory) -> Iterator[Problem]:
    """ConfigMaps, Secrets and the ServiceAccount a pod needs; `at` points at its spec."""
    namespace = at.obj.key.namespace
    account = spec.service_account_name
    if account and account != "default" and (namespace, account) not in inventory.accounts:
        yield _missing(at.key("serviceAccountName"), "serviceaccount", account)
    for index, volume in enumerate(spec.volumes):
        here = at.key("volumes").item(index)
        if (config := volume.config_map) and not config.optional:
            yield from _config_map(config.name, here.key("configMap", "name"), inventory)
        if (secret := volume.secret) and not secret.optional:
            yield from _secret(secret.secret_name, here.key("secret", "secretName"), inventory)
    for index, container in enumerate(spec.containers):
        yield from _container(container, at.key("containers").item(index), inventory)


def _container(container: Container, at: At, inventory: Inventory) -> Iterator[Problem]:
    for index, source in enumerate(container.env_from):
        here = at.key("envFrom").item(index)
        if (config := source.config_map_ref) and not config.optional:
            yield from _config_map(config.name, here.key("configMapRef", "name"), inventory)
        if (secret := source.secret_ref) and not secret.optional:
            yield from _secret(secret.name, here.key("secretRef", "name"), inventory)
    for index, variable in enumerate(container.env):
        if (value := variable.value_from) is None:
            continue
        here = at.key("env").item(index).key("valueFrom")
        if (key := value.config_map_key_ref) and not key.optional:
            where = here.key("configMapKeyRef")
            yield from _config_map(key.name, where.key("name"), inventory, key.key)
        if (key := value.secret_key_ref) and not key.optional:
            where = here.key("secretKeyRef")
            yield from _secret(key.name, where.key("name"), inventory, key.key)


def _config_map(
    name: str, at: At, inventory: Inventory, key: str | None = None
) -> Iterator[Problem]:
    found = inventory.config_maps.get((at.obj.key.namespace, name))
    if found is None:
        yield _missing(at, "configmap", name)
    elif key is not None and key not in found.data.keys() | found.binary_data.keys():
        yield _missing(at, "configmap key", f"{name}/{key}")


def _secret(name: str, at: At, inventory: Inventory, key: str | None = None) -> Iterator[Problem]:
    found = inventory.secrets.get((at.obj.key.namespace, name))
    if found is None:
        yield _missing(at, "secret", name)
    elif key is not None and key not in found.data:
        yield _missing(at, "secret key", f"{name}/{key}")


def _missing(at: At, what: str, name: str) -> Problem:
    return at.error(f'Referenced {what} not found: "{name}"', code=REFERENCE_NOT_FOUND)
