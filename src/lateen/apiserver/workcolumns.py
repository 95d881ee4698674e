"""The columns kubectl shows for Jobs, CronJobs and Events; which columns a kind has.

In: an object's raw tree.    Out: WORK_COLUMNS by kind, `columns_of`.
Before: apiserver/columns.py, customcolumns.py, wholecolumns.py        After: apiserver/tables.py

Source: kubernetes pkg/printers/internalversion.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from lateen.api.kinds import KINDS, KUBERNETES_NETWORKING, Form, Kind
from lateen.apiserver.ages import age_of, human, parse_time
from lateen.apiserver.columns import (
    AGE,
    COLUMNS,
    IMAGES,
    NAME,
    NONE,
    Column,
    Tree,
    at,
    labels_text,
    number_column,
    replicas_cell,
    shown_column,
    text_column,
)
from lateen.apiserver.customcolumns import custom_columns
from lateen.apiserver.wholecolumns import WHOLE_COLUMNS


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """Name, the kind's own columns, age, and then what `-o wide` adds; an Event's are all its own."""
    if kind.custom is not None:
        return custom_columns(kind)
    if kind.form is not None:
        return tuple(_through(kind.form, column) for column in columns_of(_keeper(kind)))
    if whole := WHOLE_COLUMNS.get((kind.group, kind.kind)):
        return whole
    own = WORK_COLUMNS.get((kind.group, kind.kind)) or COLUMNS.get((kind.group, kind.kind), ())
    if (kind.group, kind.kind) == ("", "Event"):
        return own
    narrow = tuple(c for c in own if not c.priority)
    wide = tuple(c for c in own if c.priority)
    return (NAME, *narrow, AGE, *wide)


def _keeper(kind: Kind) -> Kind:
    """The kind that keeps the objects of one that is only a form."""
    return next(k for k in KINDS if (k.group, k.kind) == (kind.stored_in, kind.kind))


def _through(form: Form, column: Column) -> Column:
    return replace(column, cell=lambda tree, now: column.cell(form.stored(tree), now))


def _job_status(raw: Tree) -> str:
    held = {
        c.get("type") for c in at(raw, "status", "conditions") or () if c.get("status") == "True"
    }
    for kind, word in (
        ("Complete", "Complete"),
        ("Failed", "Failed"),
        ("Suspended", "Suspended"),
        ("FailureTarget", "FailureTarget"),
        ("SuccessCriteriaMet", "SuccessCriteriaMet"),
    ):
        if kind in held:
            return word
    return "Terminating" if at(raw, "metadata", "deletionTimestamp") else "Running"


def _job_completions(raw: Tree) -> str:
    done = at(raw, "status", "succeeded") or 0
    wanted = at(raw, "spec", "completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = at(raw, "spec", "parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _job_duration(raw: Tree, now: datetime) -> str:
    start = parse_time(at(raw, "status", "startTime"))
    if start is None:
        return ""
    end = parse_time(at(raw, "status", "completionTime")) or now
    return human(int((end - start).total_seconds()))


def _since(name: str, *path: str, wide: bool = False) -> Column:
    """How long ago a moment was; `<none>` when there was none."""

    def cell(raw: Tree, now: datetime) -> str:
        text = at(raw, *path)
        return age_of(text, now) if text else NONE

    return Column(name=name, cell=cell, priority=int(wide), description=".".join(path))


def _controller(raw: Tree) -> str:
    owners = at(raw, "metadata", "ownerReferences") or ()
    owner = next((o for o in owners if o.get("controller")), None)
    if owner is None:
        return NONE
    group = str(owner.get("apiVersion", "")).rpartition("/")[0]
    return f"{str(owner['kind']).lower()}.{group}/{owner['name']}"


def _node_selector(raw: Tree) -> str:
    return labels_text(at(raw, "spec", "template", "spec", "nodeSelector"))


def _vertical_target(raw: Tree, resource: str) -> str:
    """Of the first container."""
    found = at(raw, "status", "recommendation", "containerRecommendations") or [{}]
    return str(at(found[0], "target", resource) or "")


def _provided(raw: Tree) -> str:
    conditions = at(raw, "status", "conditions") or ()
    kind = "RecommendationProvided"
    return next((str(c.get("status", "")) for c in conditions if c.get("type") == kind), "")


def _scale_target(raw: Tree) -> str:
    target = at(raw, "spec", "scaleTargetRef") or {}
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def _targets(raw: Tree) -> str:
    """`cpu: 41%/80%`, as far as it has been measured."""
    metrics = at(raw, "spec", "metrics") or ()
    measured = at(raw, "status", "currentMetrics") or ()
    found: dict[str, Tree] = {
        str(_source_of(m).get("name")): _source_of(m).get("current") or {} for m in measured
    }
    return ", ".join(_target(_source_of(m), found) for m in metrics) or NONE


def _target(source: Tree, measured: Mapping[str, Tree]) -> str:
    name = str(source.get("name", ""))
    wanted, current = source.get("target") or {}, measured.get(name, {})
    per_cent = wanted.get("averageUtilization")
    if per_cent is None:
        return (
            f"{name}: {current.get('averageValue', '<unknown>')}/{wanted.get('averageValue', '')}"
        )
    now = current.get("averageUtilization")
    return f"{name}: {'<unknown>' if now is None else f'{now}%'}/{per_cent}%"


def _source_of(metric: Tree) -> Tree:
    return metric.get("resource") or metric.get("containerResource") or {}


def _access_modes(raw: Tree) -> str:
    short = {
        "ReadWriteOnce": "RWO",
        "ReadOnlyMany": "ROX",
        "ReadWriteMany": "RWX",
        "ReadWriteOncePod": "RWOP",
    }
    status = at(raw, "status", "accessModes") if raw.get("kind") != "PersistentVolume" else None
    modes = status or at(raw, "spec", "accessModes") or ()
    return ",".join(short.get(mode, mode) for mode in modes)


def _claim(raw: Tree) -> str:
    claim = at(raw, "spec", "claimRef") or {}
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


def _object(raw: Tree) -> str:
    kind = str(at(raw, "involvedObject", "kind") or "").lower()
    return f"{kind}/{at(raw, 'involvedObject', 'name') or ''}"


def _source(raw: Tree) -> str:
    words = (at(raw, "source", "component"), at(raw, "source", "host"))
    return ", ".join(word for word in words if word)


def _ingress_hosts(raw: Tree) -> str:
    hosts = [rule["host"] for rule in at(raw, "spec", "rules") or () if rule.get("host")]
    if not hosts:
        return "*"
    return ",".join(hosts[:3]) + (f" + {len(hosts) - 3} more..." if len(hosts) > 3 else "")


def _ingress_address(raw: Tree) -> str:
    given = at(raw, "status", "loadBalancer", "ingress") or ()
    return ",".join(str(each.get("ip") or each.get("hostname")) for each in given)


def _ingress_parameters(raw: Tree) -> str:
    given = at(raw, "spec", "parameters")
    if not given:
        return NONE
    group = f".{given['apiGroup']}" if given.get("apiGroup") else ""
    return f"{given.get('kind')}{group}/{given.get('name')}"


def _pod_selector(raw: Tree) -> str:
    """As metav1.FormatLabelSelector: `a=b,c in (d,e),!f`."""
    selector = at(raw, "spec", "podSelector") or {}
    words = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for needed in selector.get("matchExpressions") or ():
        key, values = needed.get("key"), ",".join(needed.get("values") or ())
        match needed.get("operator"):
            case "Exists":
                words.append(str(key))
            case "DoesNotExist":
                words.append(f"!{key}")
            case operator:
                words.append(f"{key} {str(operator).lower()} ({values})")
    return ",".join(words) or NONE


WORK_COLUMNS: Mapping[tuple[str, str], tuple[Column, ...]] = {
    ("", "Event"): (
        _since("Last Seen", "lastTimestamp"),
        text_column("Type", "type", default=""),
        text_column("Reason", "reason", default=""),
        shown_column("Object", _object),
        text_column("Subobject", "involvedObject", "fieldPath", default="", wide=True),
        Column(name="Source", cell=lambda raw, _: _source(raw), priority=1),
        text_column("Message", "message", default=""),
        _since("First Seen", "firstTimestamp", wide=True),
        Column(name="Count", cell=lambda raw, _: at(raw, "count") or 1, type="integer", priority=1),
        text_column("Name", "metadata", "name", wide=True),
    ),
    ("apps", "StatefulSet"): (shown_column("Ready", replicas_cell), *IMAGES[:2]),
    ("apps", "DaemonSet"): (
        number_column("Desired", "status", "desiredNumberScheduled"),
        number_column("Current", "status", "currentNumberScheduled"),
        number_column("Ready", "status", "numberReady"),
        number_column("Up-to-date", "status", "updatedNumberScheduled"),
        number_column("Available", "status", "numberAvailable"),
        shown_column("Node Selector", _node_selector),
        *IMAGES,
    ),
    ("apps", "ControllerRevision"): (
        shown_column("Controller", _controller),
        number_column("Revision", "revision"),
    ),
    ("", "PersistentVolumeClaim"): (
        text_column("Status", "status", "phase", default=""),
        text_column("Volume", "spec", "volumeName", default=""),
        text_column("Capacity", "status", "capacity", "storage", default=""),
        shown_column("Access Modes", _access_modes),
        text_column("StorageClass", "spec", "storageClassName", default=""),
        text_column(
            "VolumeAttributesClass", "spec", "volumeAttributesClassName", default="<unset>"
        ),
        text_column("VolumeMode", "spec", "volumeMode", default="Filesystem", wide=True),
    ),
    ("", "PersistentVolume"): (
        text_column("Capacity", "spec", "capacity", "storage", default=""),
        shown_column("Access Modes", _access_modes),
        text_column("Reclaim Policy", "spec", "persistentVolumeReclaimPolicy", default="Retain"),
        text_column("Status", "status", "phase", default=""),
        shown_column("Claim", _claim),
        text_column("StorageClass", "spec", "storageClassName", default=""),
        text_column(
            "VolumeAttributesClass", "spec", "volumeAttributesClassName", default="<unset>"
        ),
        text_column("Reason", "status", "reason", default=""),
        text_column("VolumeMode", "spec", "volumeMode", default="Filesystem", wide=True),
    ),
    ("storage.k8s.io", "StorageClass"): (
        text_column("Provisioner", "provisioner", default=""),
        text_column("ReclaimPolicy", "reclaimPolicy", default="Delete"),
        text_column("VolumeBindingMode", "volumeBindingMode", default="Immediate"),
        shown_column(
            "AllowVolumeExpansion", lambda raw: str(bool(raw.get("allowVolumeExpansion"))).lower()
        ),
    ),
    (KUBERNETES_NETWORKING, "Ingress"): (
        text_column("Class", "spec", "ingressClassName"),
        shown_column("Hosts", _ingress_hosts),
        shown_column("Address", _ingress_address),
        shown_column("Ports", lambda raw: "80, 443" if at(raw, "spec", "tls") else "80"),
    ),
    (KUBERNETES_NETWORKING, "IngressClass"): (
        text_column("Controller", "spec", "controller"),
        shown_column("Parameters", _ingress_parameters),
    ),
    (KUBERNETES_NETWORKING, "NetworkPolicy"): (shown_column("Pod-Selector", _pod_selector),),
    ("policy", "PodDisruptionBudget"): (
        text_column("Min Available", "spec", "minAvailable", default="N/A"),
        text_column("Max Unavailable", "spec", "maxUnavailable", default="N/A"),
        number_column("Allowed Disruptions", "status", "disruptionsAllowed"),
    ),
    ("scheduling.k8s.io", "PriorityClass"): (
        number_column("Value", "value"),
        shown_column("Global-Default", lambda raw: str(bool(raw.get("globalDefault"))).lower()),
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): (
        shown_column("Reference", _scale_target),
        shown_column("Targets", _targets),
        shown_column("MinPods", lambda raw: str(at(raw, "spec", "minReplicas") or 1)),
        number_column("MaxPods", "spec", "maxReplicas"),
        number_column("Replicas", "status", "currentReplicas"),
    ),
    ("autoscaling.k8s.io", "VerticalPodAutoscaler"): (
        shown_column("Mode", lambda raw: str(at(raw, "spec", "updatePolicy", "updateMode") or "")),
        shown_column("CPU", lambda raw: _vertical_target(raw, "cpu")),
        shown_column("Mem", lambda raw: _vertical_target(raw, "memory")),
        shown_column("Provided", _provided),
    ),
    ("batch", "Job"): (
        shown_column("Status", _job_status),
        shown_column("Completions", _job_completions),
        Column(name="Duration", cell=_job_duration),
        *IMAGES,
    ),
    ("batch", "CronJob"): (
        text_column("Schedule", "spec", "schedule"),
        text_column("Timezone", "spec", "timeZone"),
        shown_column("Suspend", lambda raw: str(bool(at(raw, "spec", "suspend")))),
        shown_column("Active", lambda raw: len(at(raw, "status", "active") or ()), type="integer"),
        _since("Last Schedule", "status", "lastScheduleTime"),
        *IMAGES,
    ),
}
