"""Ingresses that Kubernetes would refuse are refused in its words; what they name is looked up."""

from __future__ import annotations

import pytest

from lateen.check import check_object
from lateen.check.together import check_together
from tests.cluster.simulated import read

BACKEND = "backend: {service: {name: web, port: {number: 80}}}"


def ingress(spec: str, metadata: str = "") -> str:
    return f"""
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web, namespace: shop{metadata}}}
spec: {{{spec}}}
"""


def paths(*each: str) -> str:
    return f"rules: [{{http: {{paths: [{', '.join(f'{{{one}}}' for one in each)}]}}}}]"


def said(document: str) -> list[str]:
    (obj,) = read(document)
    return [f"{p.origin.field}: {p.message}" for p in check_object(obj)]


@pytest.mark.parametrize(
    "spec",
    [
        "defaultBackend: {service: {name: web, port: {name: http}}}",
        paths(
            f"path: /, pathType: Prefix, {BACKEND}", f"pathType: ImplementationSpecific, {BACKEND}"
        ),
        "rules: [{host: '*.example.com'}], tls: [{hosts: ['*.example.com'], secretName: web}]",
    ],
)
def test_sound_ones_pass(spec: str) -> None:
    assert said(ingress(spec)) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"),
        (
            paths(f"path: /a, {BACKEND}"),
            "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
        ),
        (
            paths(f"path: /a, pathType: Glob, {BACKEND}"),
            'spec.rules[0].http.paths[0].pathType: Unsupported value: "Glob": supported values:'
            ' "Exact", "ImplementationSpecific", "Prefix"',
        ),
        (
            paths(f"path: a, pathType: Exact, {BACKEND}"),
            'spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path',
        ),
        (
            paths(f"path: /a//b, pathType: Prefix, {BACKEND}"),
            "spec.rules[0].http.paths[0].path: Invalid value: \"/a//b\": must not contain '//'",
        ),
        (
            paths(f"path: /a/.., pathType: Prefix, {BACKEND}"),
            "spec.rules[0].http.paths[0].path: Invalid value: \"/a/..\": cannot end with '/..'",
        ),
        (
            "rules: [{http: {paths: []}}]",
            "spec.rules[0].http.paths: Required value",
        ),
        (
            paths("path: /, pathType: Exact, backend: {}"),
            "spec.rules[0].http.paths[0].backend: Required value: resource or service backend is"
            " required",
        ),
        (
            "defaultBackend: {service: {name: web, port: {name: a, number: 1}}}",
            "spec.defaultBackend.service: Invalid value: cannot set both port name & port number",
        ),
        (
            "defaultBackend: {service: {name: web}}",
            "spec.defaultBackend.service: Required value: port name or number is required",
        ),
        (
            "rules: [{host: 10.0.0.1}]",
            'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
        ),
    ],
)
def test_unsound_ones_are_refused(spec: str, words: str) -> None:
    assert said(ingress(spec)) == [words]


def test_a_class_is_named_once() -> None:
    annotated = ", annotations: {kubernetes.io/ingress.class: istio}"
    (words,) = said(
        ingress(
            f"ingressClassName: istio, {paths(f'path: /, pathType: Exact, {BACKEND}')}", annotated
        )
    )
    assert words.endswith("can not be set when the class field is also set")


def test_a_class_has_a_controller() -> None:
    kind = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: a}\n"
    assert said(kind + "spec: {controller: example.com/own}") == []
    assert said(kind + "spec: {}") == ["spec.controller: Required value"]
    (words,) = said(kind + "spec: {controller: own}")
    assert words.endswith('must be a domain-prefixed path (such as "acme.io/foo")')


def test_what_an_ingress_names_is_looked_up() -> None:
    rules = paths(f"path: /, pathType: Exact, {BACKEND}")
    of_another, ours = (
        ingress(f"ingressClassName: nginx, {rules}"),
        ingress(f"{rules}, tls: [{{secretName: web}}]"),
    )
    (problem,) = check_together(read(of_another))
    assert (problem.code, problem.origin.field) == ("LAT0002", "spec.ingressClassName")
    found = {p.origin.field: p.message for p in check_together(read(ours))}
    assert found == {
        "spec.rules[0].http.paths[0].backend.service.name": 'Referenced host not found: "web"',
        "spec.tls[0].secretName": 'Referenced secret not found: "web"',
    }
