"""Which rules of a Pod Security Standard a pod breaks.

In: a pod's spec, a level.    Out: the broken rules in Kubernetes' words.
Before: -        After: check/newcomers.py

Source: Kubernetes "Pod Security Standards", `k8s.io/pod-security-admission/policy`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

Tree = Mapping[str, Any]
Rule = Callable[[Tree], Iterator[str]]
_LISTS = ("initContainers", "containers", "ephemeralContainers")
_CAPABILITIES = frozenset(
    (
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
        "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    )
)  # fmt: skip
_VOLUMES = frozenset(
    (
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
        "projected", "secret",
    )
)  # fmt: skip


class Standard(StrEnum):
    """The levels, the most open first."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"


def violations(spec: Tree, standard: Standard) -> tuple[str, ...]:
    """Every rule of the level that the pod breaks; () if it keeps them."""
    rules: Sequence[Rule] = {
        Standard.PRIVILEGED: (),
        Standard.BASELINE: BASELINE,
        Standard.RESTRICTED: (*BASELINE, *RESTRICTED),
    }[standard]
    return tuple(words for rule in rules for words in rule(spec))


def _containers(spec: Tree) -> list[Tree]:
    return [container for name in _LISTS for container in spec.get(name) or ()]


def _security(tree: Tree) -> Tree:
    found: Tree = tree.get("securityContext") or {}
    return found


def _named(containers: Sequence[Tree]) -> str:
    names = ", ".join(f'"{container.get("name", "")}"' for container in containers)
    return f"container {names}" if len(containers) == 1 else f"containers {names}"


def _host_namespaces(spec: Tree) -> Iterator[str]:
    used = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    if used:
        yield f"host namespaces ({', '.join(used)})"


def _privileged(spec: Tree) -> Iterator[str]:
    bad = [c for c in _containers(spec) if _security(c).get("privileged")]
    if bad:
        yield f"privileged ({_named(bad)} must not set securityContext.privileged=true)"


def _added_capabilities(spec: Tree) -> Iterator[str]:
    bad = [c for c in _containers(spec) if set(_added(c)) - _CAPABILITIES]
    if bad:
        names = sorted({name for c in bad for name in set(_added(c)) - _CAPABILITIES})
        shown = ", ".join(f'"{name}"' for name in names)
        yield (
            f"non-default capabilities ({_named(bad)} must not include {shown} in "
            "securityContext.capabilities.add)"
        )


def _added(container: Tree) -> list[str]:
    return list((_security(container).get("capabilities") or {}).get("add") or ())


def _host_paths(spec: Tree) -> Iterator[str]:
    bad = [v["name"] for v in spec.get("volumes") or () if v.get("hostPath")]
    if bad:
        plural = "s" if len(bad) > 1 else ""
        yield f"hostPath volumes (volume{plural} {', '.join(f'{chr(34)}{n}{chr(34)}' for n in bad)})"


def _host_ports(spec: Tree) -> Iterator[str]:
    bad = [c for c in _containers(spec) if any(p.get("hostPort") for p in c.get("ports") or ())]
    if bad:
        yield f"hostPort ({_named(bad)} must not use hostPorts)"


def _unconfined(spec: Tree) -> Iterator[str]:
    bad = [c for c in _containers(spec) if _seccomp(c) == "Unconfined"]
    if _seccomp(spec) == "Unconfined" or bad:
        who = _named(bad) if bad else "pod"
        yield (
            f"seccompProfile ({who} must not set securityContext.seccompProfile.type to "
            '"Unconfined")'
        )


def _seccomp(tree: Tree) -> str:
    return str((_security(tree).get("seccompProfile") or {}).get("type") or "")


def _volume_types(spec: Tree) -> Iterator[str]:
    bad = [
        v["name"] for v in spec.get("volumes") or () if not set(v) & _VOLUMES and set(v) > {"name"}
    ]
    if bad:
        names = ", ".join(f'"{name}"' for name in bad)
        yield f"restricted volume types (volume {names} uses a type that is not allowed)"


def _escalation(spec: Tree) -> Iterator[str]:
    bad = [
        c for c in _containers(spec) if _security(c).get("allowPrivilegeEscalation") is not False
    ]
    if bad:
        yield (
            f"allowPrivilegeEscalation != false ({_named(bad)} must set "
            "securityContext.allowPrivilegeEscalation=false)"
        )


def _dropped_capabilities(spec: Tree) -> Iterator[str]:
    def kept(container: Tree) -> bool:
        dropped = (_security(container).get("capabilities") or {}).get("drop") or ()
        return "ALL" not in dropped or bool(set(_added(container)) - {"NET_BIND_SERVICE"})

    bad = [c for c in _containers(spec) if kept(c)]
    if bad:
        yield (
            f"unrestricted capabilities ({_named(bad)} must set "
            'securityContext.capabilities.drop=["ALL"])'
        )


def _as_root(spec: Tree) -> Iterator[str]:
    pod = _security(spec).get("runAsNonRoot")
    bad = [c for c in _containers(spec) if not _security(c).get("runAsNonRoot", pod)]
    if bad:
        who = f"pod or {_named(bad)}"
        yield f"runAsNonRoot != true ({who} must set securityContext.runAsNonRoot=true)"
    if _security(spec).get("runAsUser") == 0 or any(
        _security(c).get("runAsUser") == 0 for c in _containers(spec)
    ):
        yield "runAsUser=0 (must not set runAsUser=0)"


def _no_seccomp(spec: Tree) -> Iterator[str]:
    allowed = ("RuntimeDefault", "Localhost")
    bad = [c for c in _containers(spec) if (_seccomp(c) or _seccomp(spec)) not in allowed]
    if bad:
        yield (
            f"seccompProfile (pod or {_named(bad)} must set securityContext.seccompProfile.type to "
            '"RuntimeDefault" or "Localhost")'
        )


BASELINE: Sequence[Rule] = (
    _host_namespaces,
    _privileged,
    _added_capabilities,
    _host_paths,
    _host_ports,
    _unconfined,
)
RESTRICTED: Sequence[Rule] = (
    _volume_types,
    _escalation,
    _dropped_capabilities,
    _as_root,
    _no_seccomp,
)
