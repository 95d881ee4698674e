"""Let uv use the package index that the user has set up for pip.

In: the user's environment and pip's configuration files.    Out: an environment for uv.
Before: -       After: build/carry.py, build/toolchains.py

Source: pip's "Configuration" (files, their order, PIP_ variables) and uv's "Environment variables".
What the user has set for uv itself is left as it is.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path

_FOR_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
}
_COMMA = frozenset({"UV_FIND_LINKS"})
# Variables that point Python at lateen's own environment, not at the one being built.
_OURS = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT")


def uv_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The user's environment, with pip's settings said again in uv's words where uv has none."""
    env = {key: value for key, value in environ.items() if key not in _OURS}
    settings = _files(environ)
    for name in (*_FOR_UV, "no-index"):
        if value := environ.get("PIP_" + name.upper().replace("-", "_")):
            settings[name] = value
    default = settings.get("timeout") or settings.get("default-timeout")
    if default:
        settings["timeout"] = default
    for name, variable in _FOR_UV.items():
        values = settings.get(name, "").split()
        if values and variable not in env:
            env[variable] = ("," if variable in _COMMA else " ").join(values)
    if settings.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        env.setdefault("UV_NO_INDEX", "1")
    return env


def _files(environ: Mapping[str, str]) -> dict[str, str]:
    """What pip's files say, a later one over an earlier one, [install] over [global]."""
    chosen = environ.get("PIP_CONFIG_FILE", "")
    home = Path(environ.get("HOME") or "/nonexistent")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")]
    files += [home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    if chosen == "/dev/null":
        files = []
    elif chosen:
        files.append(Path(chosen))
    settings: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself complains about such a file, in its own words
        for section in ("global", "install"):
            if parser.has_section(section):
                settings |= dict(parser.items(section))
    return settings
