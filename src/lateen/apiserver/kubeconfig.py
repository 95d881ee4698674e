"""Write the kubeconfig that leads kubectl here.

In: the server's address, its CA, what the owner shows.    Out: a file of mode 0600.
Before: -        After: apiserver/serving.py

Source: client-go's kubeconfig v1.
"""

from __future__ import annotations

import base64
import os
import tempfile
from pathlib import Path
from typing import Any

import yaml


def kubeconfig(
    *, name: str, port: int, ca_pem: str, token: str = "", certificate: str = "", key: str = ""
) -> dict[str, Any]:
    """The kubeconfig's tree, with one context `lateen-NAME`: by token, or certificate and key (PEM)."""
    called = f"lateen-{name}"
    cluster = {
        "server": f"https://127.0.0.1:{port}",
        "certificate-authority-data": _base64(ca_pem),
    }
    shown = {"token": token} if token else {}
    if certificate:
        shown = {
            "client-certificate-data": _base64(certificate),
            "client-key-data": _base64(key),
        }
    context = {"cluster": called, "user": called, "namespace": "default"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": called, "cluster": cluster}],
        "users": [{"name": called, "user": shown}],
        "contexts": [{"name": called, "context": context}],
        "current-context": called,
    }


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def write_kubeconfig(path: Path, tree: dict[str, Any]) -> None:
    """Replace the file in one step; nobody else can read it at any moment."""
    text = yaml.safe_dump(tree, sort_keys=False)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
