"""What the real kubectl is asked, and what it has to say.

In: -    Out: STEPS, in their order; each builds on those before it.

A step is written as it is typed. `says` is a regular expression found in what kubectl prints, `fails` means
that its exit status is not 0, `until` that it may take a while to come true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command; `since` is the first minor version of kubectl 1.x that knows it, `before` the first
    that does no more.
    """

    typed: str
    says: str = ""
    fails: bool = False
    until: bool = False
    since: int = 0
    before: int = 999
    env: tuple[tuple[str, str], ...] = ()


def step(
    typed: str,
    says: str = "",
    *,
    fails: bool = False,
    until: bool = False,
    since: int = 0,
    before: int = 999,
    env: Mapping[str, str] | None = None,
) -> Step:
    """A step, written briefly."""
    said = tuple((env or {}).items())
    return Step(
        typed=typed, says=says, fails=fails, until=until, since=since, before=before, env=said
    )


LOOKING_AROUND = (
    step("version", r"Server Version:.*v?1[.\"]"),
    step("cluster-info", "running at"),
    step("api-versions", r"networking\.istio\.io/v1beta1"),
    step("api-resources", r"deployments\s+deploy\s+apps/v1\s+true\s+Deployment"),
    step("api-resources --api-group=apps -o name", r"replicasets\.apps"),
    step("api-resources --namespaced=false", "namespaces"),
    step("api-resources --verbs=watch,delete -o wide", "configmaps"),
    step("get --raw /version", '"major"'),
    step("get --raw /healthz", "^ok"),
    step("get --raw /readyz?verbose", "readyz check passed"),
    step("get --raw /livez", "^ok"),
    step("explain deployment", "KIND: +Deployment"),
    step("explain deployment.spec.template.spec.containers", "readinessProbe"),
    step("explain virtualservice.spec.http", "timeout"),
    step("explain pods --recursive", "containers"),
    step("config view", "certificate-authority|server:"),
    step("get namespaces", r"default\s+Active"),
    step("get ns default -o wide", r"default\s+Active"),
    step("get nosuchkind", "doesn't have a resource type", fails=True),
    step("get pod nosuchpod", r'pods "nosuchpod" not found', fails=True),
    step("get pods --ignore-not-found nosuchpod"),
)
CREATING = (
    step("create namespace tour", "namespace/tour created"),
    step("create namespace tour", "already exists", fails=True),
    step("config set-context --current --namespace=tour", "modified"),
    step("create configmap one --from-literal=a=1", "configmap/one created"),
    step("create configmap two --from-literal=a=1 --dry-run=client -o yaml", "kind: ConfigMap"),
    step("create configmap two --from-literal=a=1 --dry-run=server", "server dry run"),
    step("get configmap two", "not found", fails=True),
    step("create secret generic hidden --from-literal=key=value", "secret/hidden created"),
    step("create serviceaccount builder", "serviceaccount/builder created"),
    step("create service clusterip plain --tcp=80:8080", "service/plain created"),
    step("create service externalname far --external-name=example.com", "service/far created"),
    step(
        "create deployment made --image=test/echo:1.0 --port=8080", "deployment.apps/made created"
    ),
    step("create role reader --verb=get,list --resource=pods", "reader created"),
    step("create rolebinding reads --role=reader --serviceaccount=tour:builder", "reads created"),
    step("create clusterrole tour-lister --verb=list --resource=nodes", "tour-lister created"),
    step("create clusterrolebinding tour-lists --clusterrole=tour-lister --user=ann", "created"),
    step("create job once --image=test/echo:1.0", "job.batch/once created"),
    step("create -f web.yaml --dry-run=server", "configmap/settings created"),
)
APPLYING = (
    step("apply -f web.yaml", "deployment.apps/web created"),
    step("apply -f web.yaml", "deployment.apps/web unchanged"),
    step("diff -f web.yaml"),
    step("apply -f wrong.yaml", r"replicsa", fails=True),
    step("apply -f wrong.yaml --validate=false --dry-run=server", "wrong created"),
    step("apply -f route.yaml", "virtualservice.networking.istio.io/web created"),
    step("apply -k kustomized", "configmap/kust-one created"),
    step("get configmap -l made=kustomize -o name", "configmap/kust-one"),
    step("delete -k kustomized", 'configmap "kust-one" deleted'),
    step("apply --server-side -f applied.yaml", "configmap/shared serverside-applied"),
    step("apply --server-side -f applied.yaml", "configmap/shared serverside-applied"),
    step(
        "apply --server-side --field-manager=other -f disputed.yaml",
        r'conflict with "kubectl".*\.data\.COLOUR',
        fails=True,
    ),
    step(
        "apply --server-side --field-manager=other --force-conflicts -f disputed.yaml",
        "serverside-applied",
    ),
    step("get configmap shared -o jsonpath={.data.COLOUR}", "^red$"),
    step("get configmap shared -o yaml --show-managed-fields", "manager: other", since=21),
    step("diff --server-side --field-manager=other -f disputed.yaml"),
    step("apply --server-side -f web.yaml --force-conflicts", "web serverside-applied"),
    step("wait --for=condition=Available deploy/web --timeout=90s", "condition met"),
    step("apply view-last-applied configmap/settings", "COLOUR"),
    step("apply -f policy.yaml", "validatingadmissionpolicybinding.*/tour created"),
    step(
        "create configmap refused --from-literal=forbidden=1",
        "ValidatingAdmissionPolicy 'tour' with binding 'tour' denied request: not these keys: forbid",
        fails=True,
    ),
    step("create configmap taken --from-literal=allowed=1", "configmap/taken created"),
    step("delete -f policy.yaml", 'validatingadmissionpolicy.* "tour" deleted'),
    step(
        """patch deploy web -p '{"spec":{"selector":{"matchLabels":{"x":"y"}},"""
        """"template":{"metadata":{"labels":{"x":"y"}}}}}'""",
        "spec.selector: Invalid value: .*field is immutable",
        fails=True,
    ),
)
READING = (
    step("get pods -l app=web", r"web-\S+\s+2/2\s+Running", until=True),
    step("get pods -l app=web -o wide", r"198\.18\.\d+\.\d+"),
    step("get pods -A", "istio-system|tour"),
    step("get pods --field-selector=status.phase=Running", "web-"),
    step("get pods --field-selector=spec.nodeName=nowhere", "No resources found"),
    step("get pods -l app!=web,app", "made-"),
    step("get pods -l 'app in (web,other)' -o name", "pod/web-"),
    step("get pods --show-labels", "app=web"),
    step("get pods -L app", r"APP\n"),
    step("get pods --no-headers", r"^\w"),
    step("get pods --sort-by=.metadata.name", "web-"),
    step("get pods --chunk-size=1", "web-"),
    step("get deploy web -o json", '"kind": "Deployment"'),
    step("get deploy web -o yaml", "kind: Deployment"),
    step("get deploy web -o name", "^deployment.apps/web"),
    step("get deploy web -o jsonpath={.spec.replicas}", "^1$"),
    step("get deploy -o custom-columns=N:.metadata.name,R:.spec.replicas", r"N\s+R\n"),
    step("get deploy -o custom-columns-file=columns.txt", r"(?s)NAME\s+IMAGE\n.*web\s+test/echo"),
    step("get deploy web -o go-template={{.metadata.name}}", "^web$"),
    step("get deploy web -o template --template={{.metadata.namespace}}", "^tour$"),
    step("get deploy web -o go-template-file=name.tpl", "^web in tour$"),
    step("get deploy web -o jsonpath-file=name.jsonpath", "^web$"),
    step("get deploy web -o jsonpath-as-json={.metadata.name}", r'\[\s*"web"\s*\]'),
    step("get deploy,svc,cm -l part=tour", r"(?s)deployment.apps/web.*service/web.*configmap/sett"),
    step("get all", "replicaset.apps/web-"),
    step("get rs -l app=web", r"web-\S+\s+1\s+1\s+1"),
    step("get svc web -o wide", r"ClusterIP\s+198\.19\.\S+\s+<none>\s+80/TCP"),
    step("get endpointslices -l kubernetes.io/service-name=web", r"IPv4\s+8080\s+198\.18"),
    step("get vs", r"web\s+\[?\"?web"),
    step("get -f web.yaml", "service/web"),
    step("describe deploy web", "Replicas: +1 desired"),
    step("describe pod -l app=web", "Containers:"),
    step("describe svc web", r"Endpoints: +198\.18", since=32),
    step("describe cm settings", "COLOUR"),
    step("describe secret hidden", "key: +5 bytes"),
    step("describe vs web", "Timeout: +2s"),
    step("describe ns tour", "Status: +Active"),
    step("describe role reader", "pods"),
    step("get events", "REASON"),
    step(
        "get events --field-selector=involvedObject.kind=Deployment,type=Normal", "Scaling|No res"
    ),
    step("logs deploy/web -c echo --tail=5"),
    step("logs -l app=web --tail=1 --prefix=false -c echo"),
)
CHANGING = (
    step("label cm settings tier=front", "labeled"),
    step("label cm settings tier=back", "already has a value", fails=True),
    step("label cm settings tier=back --overwrite", "labeled"),
    step("label cm settings tier-", "labeled|unlabeled"),
    step("annotate cm settings note=hello", "annotated"),
    step("annotate cm settings note-", "annotated"),
    step("""patch cm settings -p '{"data":{"B":"1"}}'""", "patched"),
    step("""patch cm settings --type=merge -p '{"data":{"B":null}}'""", "patched"),
    step(
        """patch cm settings --type=json -p '[{"op":"add","path":"/data/C","value":"1"}]'""",
        "patched",
    ),
    step("""patch cm settings --type=json -p '[{"op":"remove","path":"/data/X"}]'""", fails=True),
    step("""patch deploy web --subresource=status --type=merge -p '{}'""", "patched", since=24),
    step("edit cm settings", "edited", env={"KUBE_EDITOR": "sed -i s/blue/yellow/"}),
    step("get cm settings -o jsonpath={.data.COLOUR}", "^yellow$"),
    step("edit cm settings", "Edit cancelled|no changes", env={"KUBE_EDITOR": "true"}),
    step("replace -f applied.yaml", "configmap/shared replaced"),
    step("set image deploy/web echo=test/echo:1.1", "image updated"),
    step("rollout history deploy/web", r"REVISION"),
    step("rollout undo deploy/web", "rolled back"),
    step("rollout status deploy/web --timeout=90s", "successfully rolled out"),
    step("set env deploy/web COLOUR=blue", "env updated"),
    step("set env deploy/web --list", "COLOUR=blue"),
    step("set resources deploy/web --limits=cpu=200m,memory=64Mi", "requirements updated"),
    step("rollout status deploy/web --timeout=90s", "successfully rolled out"),
    step("rollout restart deploy/web", "restarted"),
    step("rollout status deploy/web --timeout=90s", "successfully rolled out"),
    step("rollout pause deploy/web", "paused"),
    step("rollout resume deploy/web", "resumed"),
    step("scale deploy/web --replicas=2", "scaled"),
    step("scale deploy/web --current-replicas=7 --replicas=1", "Expected replicas", fails=True),
    step("get deploy web", r"web\s+2/2", until=True),
    step("scale --replicas=1 -f web.yaml deploy/web", fails=True),
    step("scale deploy/web --replicas=1", "scaled"),
    step("autoscale deploy/web --min=1 --max=3 --cpu-percent=80", "web autoscaled"),
    step("get hpa web", r"Deployment/web\s+\S+.*\s1\s+3\s"),
    step("delete hpa web", r'autoscaler\S* "web" deleted'),
    step("expose deploy made --port=80 --target-port=8080", "service/made exposed"),
    step("set serviceaccount deploy/made builder", "serviceaccount updated"),
    step("set selector svc/made app=other", "selector updated"),
)
ASKING = (
    step("auth can-i get pods", "yes"),
    step("auth can-i list pods --as=system:serviceaccount:tour:builder", "yes"),
    step("auth can-i delete pods --as=system:serviceaccount:tour:builder", "no", fails=True),
    step("auth can-i --list", "Resources"),
    step("get secrets --as=system:serviceaccount:tour:builder", "forbidden", fails=True),
    step("get pods --as=system:serviceaccount:tour:builder", "web-"),
    step("create token builder", r"^ey", since=24),
    step("exec deploy/web -c echo -- python3 -c 'print(6*7)'", "42"),
    step("exec deploy/web -c echo -- python3 -c 'raise SystemExit(3)'", "exit code 3", fails=True),
    step("auth whoami", "Username", since=28),
    step("events", "LAST SEEN", since=26),
    step("get events.events.k8s.io", "REASON"),
    step("explain events.regarding --api-version=events.k8s.io/v1", "FIELD|RESOURCE"),
    step("run lone --image=test/echo:1.0 --restart=Never", "pod/lone created"),
    step("wait --for=condition=Ready pod/lone --timeout=60s", "condition met"),
    step("cp web.yaml lone:/tmp/copied.yaml"),
    step("exec lone -- cat /tmp/copied.yaml", "kind: Deployment"),
    step("debug lone --image=busybox --target=lone -c looker -- cat /proc/1/cmdline", since=23),
    step("describe pod lone", "serviceaccount from kube-api-access-"),
    step("logs lone -c looker", "main.py", until=True, since=23),
    step("describe pod lone", r"Ephemeral Containers:\s+looker:[\s\S]+Exit Code: +0", since=23),
    step("cp lone:/tmp/copied.yaml /dev/null"),
    step("delete pod lone --now", 'pod "lone" deleted'),
    step("top nodes", r"lateen\s+\d+m", until=True),
    step("top pods", r"(?s)MEMORY.*web-\S+\s+\d+m\s+\d+Mi", until=True),
    step("top pods -l app=web --containers", r"echo\s+\d+m", until=True),
    step("get nodes", r"lateen\s+Ready"),
    step("get nodes -o wide", "OS-IMAGE"),
    step("describe node lateen", "Allocatable"),
    step("taint node lateen tour=now:NoSchedule", "tainted"),
    step("taint node lateen tour-", "untainted"),
    step("cordon lateen", "cordoned"),
    step("get nodes", "SchedulingDisabled"),
    step(
        "drain lateen --ignore-daemonsets --delete-emptydir-data --grace-period=1 --timeout=60s",
        "lateen drained",
        since=21,
    ),
    step("uncordon lateen", "uncordoned"),
    step("rollout status deploy/web --timeout=90s", "successfully rolled out"),
    step("get crd"),
    step("get roles", r"reader\s+20"),
    step("get rolebindings -o wide", r"reads\s+Role/reader\s+\S+\s+tour/builder"),
)
ENDING = (
    step("delete pod -l app=web --wait=false", "deleted"),
    step("wait --for=condition=Available deploy/web --timeout=90s", "condition met", until=True),
    step("delete cm one two --ignore-not-found", 'configmap "one" deleted'),
    step("delete cm one", "not found", fails=True),
    step("delete deploy made --cascade=orphan", "deleted", since=20),
    step("get rs -l app=made", "made-"),
    step("delete rs -l app=made", "deleted"),
    step("delete svc plain far made", 'service "far" deleted'),
    step("delete job once", 'job.batch "once" deleted'),
    step("delete pods -l app=made --now"),
    step("delete pods -l job-name=once --now"),
    step("delete secret hidden --dry-run=server", "server dry run"),
    step("get secret hidden", "Opaque"),
    step("apply -f pruned.yaml", "configmap/pruned created"),
    step(
        "apply --prune --prune-whitelist=core/v1/ConfigMap -l part=tour -f web.yaml",
        "configmap/pruned pruned",
        before=26,
    ),
    step(
        "apply --prune --prune-allowlist=core/v1/ConfigMap -l part=tour -f web.yaml",
        "configmap/pruned pruned",
        since=26,
    ),
    step("get cm pruned", "not found", fails=True),
    step("delete vs --all", 'virtualservice.*"web" deleted'),
    step("delete -f web.yaml", 'deployment.apps "web" deleted'),
    step("wait --for=delete deploy/web --timeout=30s", since=24),
    step("get pods -l app=web", "No resources found", until=True),
    step("delete clusterrole tour-lister", "deleted"),
    step("delete clusterrolebinding tour-lists", "deleted"),
    step("config set-context --current --namespace=default", "modified"),
    step("delete ns tour", 'namespace "tour" deleted'),
    step("get ns tour", "not found", fails=True),
)
STEPS = (
    *LOOKING_AROUND,
    *CREATING,
    *APPLYING,
    *READING,
    *CHANGING,
    *ASKING,
    *ENDING,
)
