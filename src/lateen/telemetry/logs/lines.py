"""A line of a container's log, and what can be told of it: how grave it is, which trace it belongs to.

In: a line of a CRI log file.    Out: LogLine.
Before: node/logs.py (writes them)        After: logs/files.py

Recognised are the usual names in JSON (level, severity, levelname; trace_id, traceId …), pino's numbers, logfmt,
glog and klog, Spring's brackets, words in capitals near a line's beginning, and the proxies' access logs by status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
_SAME = {
    "trace": "trace",
    "verbose": "trace",
    "debug": "debug",
    "fine": "debug",
    "info": "info",
    "information": "info",
    "informational": "info",
    "notice": "info",
    "log": "info",
    "warn": "warn",
    "warning": "warn",
    "error": "error",
    "err": "error",
    "severe": "error",
    "critical": "fatal",
    "crit": "fatal",
    "alert": "fatal",
    "emerg": "fatal",
    "fatal": "fatal",
    "panic": "fatal",
}
_LEVEL_KEYS = ("level", "severity", "lvl", "levelname", "log.level", "loglevel", "@level", "Level")
_TRACE_KEYS = (
    *("trace_id", "traceId", "traceID", "trace.id", "TraceId", "trace", "dd.trace_id"),
    *("otelTraceID", "logging.googleapis.com/trace"),
)
_LOOKED_AT = 200  # characters in which a level's word stands
_WORD = re.compile(
    r"(?<![\w./-])(?:(?i:level|lvl|severity)=\"?(?P<named>[A-Za-z]+)"
    r"|(?P<word>TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|SEVERE|CRITICAL|FATAL|PANIC)(?![\w./-])"
    r"|\[(?P<bracket>(?i:trace|debug|info|notice|warn(?:ing)?|error|crit(?:ical)?|alert|emerg|fatal))\])"
)
_KLOG = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d")
_KLOG_LEVELS = {"I": "info", "W": "warn", "E": "error", "F": "fatal"}
_TRACE = re.compile(
    r"(?i:trace[_.-]?id|traceparent|trace)\W{1,4}(?:00-)?(?P<named>[0-9a-f]{32}|[0-9a-f]{16})\b"
    r"|\[[^\]\s]*,\s*(?P<spring>[0-9a-f]{32}|[0-9a-f]{16}),\s*[0-9a-f]{16}"
)
_ACCESS = re.compile(r'\[[^\]]*\] "[^"]*" (?P<status>\d{1,3}) (?P<flags>\S+) ')
_ACCESS_TRACE = re.compile(r" (?P<trace>[0-9a-f]{32}) (?:-|\{\"origin\")")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line as the container wrote it. `time` is RFC 3339 in UTC; `level` one of LEVELS or ""."""

    time: str
    pod: str
    namespace: str
    container: str
    stream: str
    text: str
    level: str = ""
    trace: str = ""

    def as_json(self) -> dict[str, str]:
        """The line for others."""
        return {
            "time": self.time,
            "pod": self.pod,
            "namespace": self.namespace,
            "container": self.container,
            "stream": self.stream,
            "level": self.level,
            "trace": self.trace,
            "text": self.text,
        }


def told(text: str) -> tuple[str, str]:
    """How grave a line is and which trace it names; "" for what it does not tell."""
    if text.startswith("{") and isinstance(said := _object(text), dict):
        return _in_json(said)
    if access := _ACCESS.match(text):
        traces = [found["trace"] for found in _ACCESS_TRACE.finditer(text)]
        return _by_status(int(access["status"])), traces[-1] if traces else ""
    return _level_in(text), _trace_in(text)


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _in_json(said: Mapping[str, Any]) -> tuple[str, str]:
    level = next((v for key in _LEVEL_KEYS if (v := _value(said, key)) is not None), None)
    trace = next((v for key in _TRACE_KEYS if isinstance(v := _value(said, key), str)), "")
    if level is None and isinstance(status := said.get("response_code"), int):
        return _by_status(status), _id(trace)
    return _level(level), _id(trace)


def _value(said: Mapping[str, Any], key: str) -> Any:
    """`a.b` is a key by itself, or `b` in `a`."""
    if key in said:
        return said[key]
    outer, _, inner = key.partition(".")
    nested = said.get(outer)
    return nested.get(inner) if inner and isinstance(nested, dict) else None


def _level(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):  # pino, bunyan
        return LEVELS[max(0, min(int(value) // 10 - 1, 5))] if value >= 10 else ""
    return _SAME.get(str(value).lower(), "") if value is not None else ""


def _id(text: str) -> str:
    text = text.rpartition("/")[2].lower()
    return text if re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{32}", text) else ""


def _by_status(status: int) -> str:
    if status >= 500 or status == 0:
        return "error" if status else "info"
    return "warn" if status >= 400 else "info"


def _level_in(text: str) -> str:
    if klog := _KLOG.match(text):
        return _KLOG_LEVELS[klog[1]]
    found = _WORD.search(text[:_LOOKED_AT])
    if found is None:
        return ""
    return _SAME.get((found["named"] or found["word"] or found["bracket"]).lower(), "")


def _trace_in(text: str) -> str:
    found = _TRACE.search(text)
    return (found["named"] or found["spring"]) if found else ""
