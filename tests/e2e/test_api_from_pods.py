"""A program in a pod finds the Kubernetes API as in a cluster, and may do what its account may."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.e2e.harness import Mesh

# As client libraries do it: address, token and certificate from where Kubernetes puts them.
ASK = """
import json, os, ssl, urllib.error, urllib.request
folder = '/var/run/secrets/kubernetes.io/serviceaccount/'
trust = ssl.create_default_context(cafile=folder + 'ca.crt')
own = open(folder + 'token').read()
namespace = open(folder + 'namespace').read()
where = 'https://{KUBERNETES_SERVICE_HOST}:{KUBERNETES_SERVICE_PORT}'.format(**os.environ)
def ask(path, at=where, token=own):
    headers = {'Authorization': 'Bearer ' + token} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(at + path, headers=headers), context=trust, timeout=10) as r:
            return r.status, json.load(r)
    except urllib.error.HTTPError as fault:
        return fault.code, json.load(fault)
"""


def told(mesh: Mesh, code: str, via: str) -> Any:
    printed = mesh.inside(f"{ASK}\n{code}", via=via)
    try:
        return json.loads(printed)
    except ValueError:
        pytest.fail(printed)


@pytest.mark.parametrize("via", ["", "/plain"])
def test_a_program_lists_what_its_account_may_and_nothing_else(mesh: Mesh, via: str) -> None:
    code = """
status, pods = ask(f'/api/v1/namespaces/{namespace}/pods')
names = sorted({pod['metadata']['labels'].get('app') for pod in pods['items']})
refused = [ask(path)[0] for path in (
    '/api/v1/pods', f'/api/v1/namespaces/{namespace}/secrets', '/api/v1/namespaces/istio-system/pods',
    '/lateen/v1/status')]
print(json.dumps([status, names, refused, ask('/api/v1/pods')[1]['message']]))
"""
    status, names, refused, message = told(mesh, code, via)
    account = "plain" if via else "web"
    assert (status, refused) == (200, [403, 403, 403, 403])
    assert {"web", "api", "plain"} <= set(names)
    assert f'User "system:serviceaccount:shop:{account}" cannot list resource "pods"' in message


def test_it_answers_by_every_name_and_address_it_has(mesh: Mesh) -> None:
    code = """
places = ['https://kubernetes.default.svc', 'https://kubernetes.default.svc.cluster.local', 'https://198.18.0.1:6443']
print(json.dumps([ask('/version', at)[0] for at in places]))
"""
    assert told(mesh, code, "") == [200, 200, 200]


@pytest.mark.parametrize("via", ["", "/plain"])
def test_whoever_shows_no_sound_token_is_let_in_nowhere(mesh: Mesh, via: str) -> None:
    code = """
path = f'/api/v1/namespaces/{namespace}/pods'
print(json.dumps([ask(path, token='')[0], ask(path, token=own[:-4] + 'AAAA')[0]]))
"""
    assert told(mesh, code, via) == [401, 401]


def test_a_pod_that_declines_has_no_token(mesh: Mesh) -> None:
    code = "import os; print(os.path.exists('/var/run/secrets/kubernetes.io/serviceaccount'))"
    assert mesh.inside(code, via="/other") == "False"
    assert mesh.inside(code) == "True"


@pytest.mark.parametrize("via", ["", "/plain"])
def test_the_way_to_the_api_leads_nowhere_else(mesh: Mesh, via: str) -> None:
    """Neither another port of the bridge nor the host's own port of the API."""
    kubeconfig = (mesh.run / "kubeconfig").read_text()
    found = re.search(r"127\.0\.0\.1:(\d+)", kubeconfig)
    assert found
    code = f"""
import socket
found = []
for address, number in (('198.18.0.1', 6444), ('198.18.0.1', 443), ('198.18.0.1', {found[1]}),
                        ('127.0.0.1', {found[1]}), ('198.19.0.1', 6443)):
    try:
        with socket.create_connection((address, number), timeout=4) as s:
            s.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n')
            found.append(s.recv(99).decode())
    except OSError: pass
print(json.dumps([answer for answer in found if answer]))
"""
    assert told(mesh, code, via) == []


def test_the_environment_knows_the_services_of_its_namespace(mesh: Mesh) -> None:
    code = "import os; print(os.environ['API_SERVICE_PORT_HTTP'], os.environ['KUBERNETES_PORT'])"
    assert mesh.inside(code) == "80 tcp://198.19.0.1:443"
