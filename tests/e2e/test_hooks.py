"""A webhook server that runs in a pod, under strict mTLS, is asked through its Service."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from lateen.apiserver.client import Client
from lateen.base.errors import LateenError
from tests.apiserver.certificates import self_signed
from tests.e2e.harness import Mesh

Tree = dict[str, Any]
GROUP = "admissionregistration.k8s.io"
CONFIG_MAPS = "/api/v1/namespaces/shop/configmaps"
SERVER = """
import base64, builtins, http.server, json, ssl, threading
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers['content-length'])))
        asked = review['request']
        answer = {'uid': asked['uid'], 'allowed': True}
        if self.path == '/label':
            patch = [{'op': 'add', 'path': '/metadata/labels/seen', 'value': 'yes'}]
            answer |= {'patchType': 'JSONPatch', 'patch': base64.b64encode(json.dumps(patch).encode()).decode()}
        elif asked['object']['data'].get('n') == '13':
            answer |= {'allowed': False, 'status': {'message': 'thirteen stays outside'}}
        body = json.dumps(review | {'response': answer}).encode()
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
open('/tmp/hook.pem', 'w').write(PEM)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/tmp/hook.pem')
builtins.hooks = http.server.ThreadingHTTPServer(('0.0.0.0', 8443), Hook)
hooks.socket = context.wrap_socket(hooks.socket, server_side=True)
threading.Thread(target=hooks.serve_forever, daemon=True).start()
print('serving')
"""


@pytest.fixture
def authority(mesh: Mesh) -> str:
    """A webhook server in the pod `other`; the base64 of the certificate to know it by."""
    certificate, key = self_signed("hooks", "checker.shop.svc")
    code = SERVER.replace("PEM", repr(f"{certificate}\n{key}"), 1)
    assert mesh.inside(code, via="/other") == "serving"
    return base64.b64encode(certificate.encode()).decode()


def configuration(kind: str, path: str, authority: str) -> Tree:
    where = {"namespace": "shop", "name": "checker", "path": path}
    rule = {
        "operations": ["CREATE"],
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["configmaps"],
    }
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": f"in-a-pod-{kind.lower()}"},
        "webhooks": [
            {
                "name": "checker.shop.example.com",
                "clientConfig": {"service": where, "caBundle": authority},
                "rules": [rule],
                "objectSelector": {"matchLabels": {"judged": "yes"}},
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def config_map(name: str, number: str) -> Tree:
    metadata = {"name": name, "namespace": "shop", "labels": {"judged": "yes"}}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"n": number},
    }


def test_it_changes_and_refuses_what_is_written(mesh: Mesh, authority: str) -> None:
    api = Client(mesh.run / "api.sock")
    for kind, path in (("Mutating", "/label"), ("Validating", "/judge")):
        plural = f"{kind.lower()}webhookconfigurations"
        api.post(f"/apis/{GROUP}/v1/{plural}", configuration(kind, path, authority))
    made = api.post(CONFIG_MAPS, config_map("twelve", "12"))
    assert made["metadata"]["labels"] == {"judged": "yes", "seen": "yes"}
    with pytest.raises(LateenError, match="thirteen stays outside"):
        api.post(CONFIG_MAPS, config_map("thirteen", "13"))
    mesh.inside("hooks.shutdown(); hooks.server_close(); print('over')", via="/other")
    with pytest.raises(LateenError, match="failed calling webhook"):
        api.post(CONFIG_MAPS, config_map("fourteen", "14"))
