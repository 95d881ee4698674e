"""Policies in CEL judge what users write, and what controllers make of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lateen.apiserver.app import make_app
from lateen.base.clock import SystemClock
from lateen.cluster.controlling import Controllers
from tests.apiserver.serve import TOKEN, Client, asked, client_of
from tests.apiserver.world import config_map, deployment, deps_for, namespace, pod, store_with

pytestmark = pytest.mark.anyio
Tree = dict[str, Any]
GROUP = "admissionregistration.k8s.io/v1"
POLICIES = f"/apis/{GROUP}/validatingadmissionpolicies"
BINDINGS = f"/apis/{GROUP}/validatingadmissionpolicybindings"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def policy(*validations: Tree, resource: str = "apps/deployments", **spec: Any) -> Tree:
    group, _, plural = resource.rpartition("/")
    rule = {
        "operations": ["CREATE", "UPDATE"],
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "resources": [plural],
    }
    whole = {"matchConstraints": {"resourceRules": [rule]}, "validations": list(validations)}
    metadata = {"name": "rules"}
    return {
        "apiVersion": GROUP,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata,
        "spec": whole | spec,
    }


def binding(*actions: str, name: str = "everywhere", **spec: Any) -> Tree:
    whole = {"policyName": "rules", "validationActions": list(actions or ("Deny",))}
    return {
        "apiVersion": GROUP,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": whole | spec,
    }


@asynccontextmanager
async def api(*trees: Tree) -> AsyncIterator[Client]:
    store = store_with(*trees)
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        yield client


FEW = {"expression": "object.spec.replicas <= 5"}


async def test_what_is_not_true_is_denied_in_kubernetes_words() -> None:
    async with api(policy(FEW), binding()) as client:
        status, body = await asked(client, "POST", DEPLOYMENTS, json=deployment("web", 6))
        message = (
            "ValidatingAdmissionPolicy 'rules' with binding 'everywhere' denied request: "
            "failed expression: object.spec.replicas <= 5"
        )
        assert (status, body["reason"]) == (422, "Invalid")
        assert body["message"] == f'deployments.apps "web" is forbidden: {message}'
        assert body["details"]["causes"] == [{"message": message}]
        assert (await asked(client, "POST", DEPLOYMENTS, json=deployment("web", 5)))[0] == 201
        more = {"spec": {"replicas": 7}}
        headers = {"Content-Type": "application/merge-patch+json"}
        path = f"{DEPLOYMENTS}/web"
        assert (await asked(client, "PATCH", path, json=more, headers=headers))[0] == 422
        status, _ = await asked(
            client, "POST", f"{DEPLOYMENTS}?dryRun=All", json=deployment("x", 9)
        )
        assert status == 422


async def test_a_policy_that_nothing_binds_says_nothing() -> None:
    async with api(policy(FEW)) as client:
        assert (await asked(client, "POST", DEPLOYMENTS, json=deployment("web", 6)))[0] == 201


async def test_message_and_reason_are_the_policy_s() -> None:
    said = {
        "messageExpression": "'at most %d, not %d'.format([5, object.spec.replicas])",
        "message": "too many",
        "reason": "Forbidden",
    }
    async with api(policy(FEW | said), binding()) as client:
        status, body = await asked(client, "POST", DEPLOYMENTS, json=deployment("web", 6))
        assert (status, body["reason"]) == (403, "Forbidden")
        assert body["message"].endswith("denied request: at most 5, not 6")
    fallback = said | {"messageExpression": "object.spec.nothing"}
    async with api(policy(FEW | fallback), binding()) as client:
        _, body = await asked(client, "POST", DEPLOYMENTS, json=deployment("web", 6))
        assert body["message"].endswith("denied request: too many")


async def test_a_binding_may_only_warn() -> None:
    async with (
        api(policy(FEW | {"message": "too many"}), binding("Warn", "Audit")) as client,
        client.post(DEPLOYMENTS, json=deployment("web", 6)) as answer,
    ):
        assert answer.status == 201
        assert answer.headers["Warning"] == (
            "299 - \"Validation failed for ValidatingAdmissionPolicy 'rules' with binding "
            "'everywhere': too many\""
        )


async def test_variables_and_conditions() -> None:
    spec: Tree = {
        "variables": [
            {
                "name": "images",
                "expression": "object.spec.template.spec.containers.map(c, c.image)",
            },
            {"name": "untagged", "expression": "variables.images.filter(i, !i.contains(':'))"},
            {"name": "unused", "expression": "object.nothing.there"},
        ],
        "matchConditions": [{"name": "not-exempt", "expression": "object.metadata.name != 'free'"}],
    }
    rule = {
        "expression": "variables.untagged.size() == 0",
        "messageExpression": "'no tag: ' + variables.untagged.join(', ')",
    }
    async with api(policy(rule, **spec), binding()) as client:
        untagged = deployment("web")
        untagged["spec"]["template"]["spec"]["containers"][0]["image"] = "web"
        _, body = await asked(client, "POST", DEPLOYMENTS, json=untagged)
        assert body["message"].endswith("denied request: no tag: web")
        assert (await asked(client, "POST", DEPLOYMENTS, json=deployment("tagged")))[0] == 201
        untagged["metadata"]["name"] = "free"
        assert (await asked(client, "POST", DEPLOYMENTS, json=untagged))[0] == 201


async def test_an_expression_that_fails_is_judged_by_the_failure_policy() -> None:
    rule = {"expression": "object.spec.nothing == 1"}
    async with api(policy(rule), binding()) as client:
        _, body = await asked(client, "POST", DEPLOYMENTS, json=deployment("web"))
        assert "expression 'object.spec.nothing == 1' resulted in error: " in body["message"]
    async with api(policy(rule, failurePolicy="Ignore"), binding()) as client:
        assert (await asked(client, "POST", DEPLOYMENTS, json=deployment("web")))[0] == 201


async def test_params_by_name_and_by_selector() -> None:
    rule = {"expression": "object.spec.replicas <= int(params.data.most)"}
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    limits = config_map("limits", most="2")
    limits["metadata"]["labels"] = {"limits": "yes"}
    other = config_map("others", most="1")
    other["metadata"]["labels"] = {"limits": "yes"}
    named = {"name": "limits", "parameterNotFoundAction": "Deny"}
    path = DEPLOYMENTS
    async with api(policy(rule, paramKind=kind), binding(paramRef=named), limits, other) as client:
        assert (await asked(client, "POST", path, json=deployment("two", 2)))[0] == 201
        assert (await asked(client, "POST", path, json=deployment("three", 3)))[0] == 422
    chosen = {
        "selector": {"matchLabels": {"limits": "yes"}},
        "parameterNotFoundAction": "Allow",
    }
    async with api(policy(rule, paramKind=kind), binding(paramRef=chosen), limits, other) as client:
        assert (await asked(client, "POST", path, json=deployment("two", 2)))[0] == 422
    for action, wanted in (("Allow", 201), ("Deny", 422)):
        ref = named | {"name": "absent", "parameterNotFoundAction": action}
        async with api(policy(rule, paramKind=kind), binding(paramRef=ref)) as client:
            status, body = await asked(client, "POST", path, json=deployment("web", 9))
            assert status == wanted, body


async def test_namespaces_names_and_exceptions_narrow_it() -> None:
    free = namespace("free")
    free["metadata"]["labels"] = {"policy": "none"}
    only = {
        "namespaceSelector": {"matchExpressions": [{"key": "policy", "operator": "DoesNotExist"}]}
    }
    async with api(policy(FEW), binding(matchResources=only), free) as client:
        assert (await asked(client, "POST", DEPLOYMENTS, json=deployment("web", 6)))[0] == 422
        tree = deployment("web", 6)
        tree["metadata"]["namespace"] = "free"
        path = DEPLOYMENTS.replace("default", "free")
        assert (await asked(client, "POST", path, json=tree))[0] == 201


async def test_the_change_its_author_and_its_namespace_can_be_asked() -> None:
    rules = [
        {"expression": "oldObject == null || object.data.keep == oldObject.data.keep"},
        {"expression": "request.userInfo.username == 'kubernetes-admin'"},
        {"expression": "namespaceObject.metadata.name == object.metadata.__namespace__"},
        {
            "expression": "authorizer.group('').resource('secrets').namespace('x').check('get').allowed()"
        },
        {
            "expression": "!authorizer.serviceAccount('default', 'x').group('').resource('secrets')"
            ".check('get').allowed()"
        },
    ]
    async with api(policy(*rules, resource="configmaps"), binding()) as client:
        status, body = await asked(client, "POST", MAPS, json=config_map("a", keep="1"))
        assert status == 201, body
        status, body = await asked(client, "PUT", f"{MAPS}/a", json=config_map("a", keep="2"))
        assert status == 422
        assert "failed expression: oldObject == null ||" in body["message"]


async def test_a_deletion_is_judged_too() -> None:
    rule = {"expression": "!('keep' in oldObject.data)"}
    whole = policy(rule, resource="configmaps")
    whole["spec"]["matchConstraints"]["resourceRules"][0]["operations"] = ["DELETE"]
    async with api(whole, binding(), config_map("a", keep="1"), config_map("b")) as client:
        assert (await asked(client, "DELETE", f"{MAPS}/a"))[0] == 422
        assert (await asked(client, "DELETE", f"{MAPS}/b"))[0] == 200


async def test_the_pods_of_controllers_are_judged() -> None:
    rule = {
        "expression": "object.spec.containers.all(c, c.image == 'web:2')",
        "message": "old image",
    }
    store = store_with(policy(rule, resource="pods"), binding(), deployment("web"))
    Controllers(store=store, clock=SystemClock()).settle()
    assert not store.list(group="", kind="Pod")
    events = [
        o.raw for o in store.list(group="", kind="Event") if o.raw["reason"] == "FailedCreate"
    ]
    assert "'everywhere' denied request: old image" in events[0]["message"]
    async with client_of(make_app(store, deps_for(store), token=TOKEN)) as client:
        alone = pod("alone")
        assert (await asked(client, "POST", "/api/v1/namespaces/default/pods", json=alone))[
            0
        ] == 422


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ({"matchConstraints": {}}, "spec.matchConstraints.resourceRules: Required value"),
        ({"validations": []}, "spec.validations: Required value: validations or auditAnnotations"),
        ({"failurePolicy": "Maybe"}, 'spec.failurePolicy: Unsupported value: "Maybe"'),
        (
            {"validations": [{"expression": "params.x"}]},
            'spec.validations[0].expression: Invalid value: "params.x": compilation failed: ERROR',
        ),
        (
            {"validations": [{"expression": "1 + 1"}]},
            'spec.validations[0].expression: Invalid value: "1 + 1": must evaluate to bool',
        ),
        (
            {"variables": [{"name": "a-b", "expression": "1"}]},
            'spec.variables[0].name: Invalid value: "a-b": name is not a valid CEL identifier',
        ),
    ],
)
async def test_a_wrong_policy_is_refused(spec: Tree, where: str) -> None:
    async with api() as client:
        status, body = await asked(client, "POST", POLICIES, json=policy(FEW, **spec))
        assert status == 422
        assert where in body["message"]


async def test_a_wrong_binding_is_refused() -> None:
    async with api() as client:
        _, body = await asked(client, "POST", BINDINGS, json=binding("Deny", "Warn"))
        assert "spec.validationActions: Invalid value" in body["message"]
        assert "must not contain both Deny and Warn" in body["message"]
        ref = {"name": "a", "selector": {}, "parameterNotFoundAction": "Deny"}
        _, body = await asked(client, "POST", BINDINGS, json=binding(paramRef=ref))
        assert "spec.paramRef: Required value: one of name or selector" in body["message"]
