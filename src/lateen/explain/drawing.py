"""Tell a journey as data, as a graph for Graphviz, and as a page.

In: Journey.             Out: a tree; DOT; HTML.
Before: ways.py          After: cli/explaining.py
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from lateen.base.origin import Origin
from lateen.explain.request import Forwarded
from lateen.explain.steps import Step
from lateen.explain.telling import answer_words, leg_words, line_of, percent
from lateen.explain.ways import Answer, Hop, Journey, Leg, ends_of

Tree = dict[str, Any]


def data_of(journey: Journey) -> Tree:
    """The journey as plain data: request, steps, hops within hops, and the answers with shares."""
    source = journey.source
    return {
        "request": journey.ask.text,
        "from": f"{source.namespace}/{source.workload}" if source else "outside",
        "steps": [step_data(step) for step in journey.steps],
        "hop": _hop(journey.then) if isinstance(journey.then, Hop) else None,
        "answers": [
            {"share": round(end.share, 4), **_answer(end.answer)} for end in ends_of(journey)
        ],
    }


def step_data(step: Step) -> Tree:
    """One step; `file` and `line` where they are known."""
    said: Tree = {"part": step.part.value, "name": step.name, "held": step.held, "why": step.why}
    return said | _origin(step.origin)


def _origin(origin: Origin | str) -> Tree:
    if isinstance(origin, str):
        return {"origin": origin} if origin else {}
    said: Tree = {"origin": origin.text}
    if origin.place:
        said |= {"file": origin.place.file, "line": origin.place.line}
    return said


def _hop(hop: Hop) -> Tree:
    said: Tree = {
        "workload": f"{hop.workload.namespace}/{hop.workload.workload}",
        "pod": hop.workload.name,
        "way": hop.way.value,
        "steps": [step_data(step) for step in hop.steps],
    }
    if isinstance(hop.outcome, Forwarded):
        said["sent"] = _sent(hop.outcome)
    if isinstance(hop.then, Answer):
        said["answer"] = _answer(hop.then)
    else:
        said["legs"] = [_leg(leg) for leg in hop.then]
    return said


def _sent(sent: Forwarded) -> Tree:
    said: Tree = {"path": sent.path, "host": sent.authority, "timeout": sent.timeout}
    if sent.tries:
        said["retries"] = {
            "attempts": sent.tries.attempts,
            "on": list(sent.tries.on),
            "statuses": list(sent.tries.statuses),
            "perTryTimeout": sent.tries.each,
        }
    if sent.delays:
        said["delay"] = {"percent": sent.delays[0], "seconds": sent.delays[1]}
    if sent.aborts:
        said["abort"] = {"percent": sent.aborts[0], "status": sent.aborts[1]}
    return said


def _leg(leg: Leg) -> Tree:
    said: Tree = {
        "share": round(leg.share, 4),
        "to": leg.to,
        "cluster": leg.cluster,
        "subset": leg.subset,
        "endpoints": list(leg.endpoints),
        "mtls": leg.mtls,
        "copy": leg.copy,
        "by": [_origin(origin) for origin in leg.origins],
        "steps": [step_data(step) for step in leg.steps],
    }
    key = "hop" if isinstance(leg.then, Hop) else "answer"
    return said | {key: _hop(leg.then) if isinstance(leg.then, Hop) else _answer(leg.then)}


def _answer(answer: Answer) -> Tree:
    said: Tree = {"status": answer.status, "by": answer.by, "app": answer.app, "why": answer.why}
    said |= {"location": answer.location} if answer.location else {}
    return said | _origin(answer.origin)


def dot_of(journey: Journey) -> str:
    """The journey as a graph: workloads, shares on the edges, answers as boxes."""
    source = journey.source
    first = f"{source.namespace}/{source.workload}" if source else "outside"
    lines = ["digraph journey {", "  rankdir=LR;", f"  n0 [label={_quoted(first)}];"]
    if isinstance(journey.then, Answer):
        lines += _box(journey.then, "n0", "b", 100.0)
    else:
        at = "n0"
        if source is None:
            lines += [f"  n1 [label={_quoted(_name(journey.then))}];", "  n0 -> n1;"]
            at = "n1"
        lines += _edges(journey.then, at)
    return "\n".join([*lines, "}"])


def _name(hop: Hop) -> str:
    return f"{hop.workload.namespace}/{hop.workload.workload}"


def _edges(hop: Hop, at: str) -> Iterator[str]:
    if isinstance(hop.then, Answer):
        if not hop.then.app:
            yield from _box(hop.then, at, f"{at}b", 100.0)
        return
    for number, leg in enumerate(hop.then):
        node = f"{at}_{number}"
        if isinstance(leg.then, Answer) and not leg.then.app:
            yield from _box(leg.then, at, f"{node}b", leg.share)
            continue
        style = " style=dashed" if leg.copy else ""
        name = _name(leg.then) if isinstance(leg.then, Hop) else leg.then.by
        words = percent(leg.share) + (f" {leg.subset}" if leg.subset else "")
        yield f"  {node} [label={_quoted(name)}];"
        yield f"  {at} -> {node} [label={_quoted(words)}{style}];"
        if isinstance(leg.then, Hop):
            yield from _edges(leg.then, node)


def _box(answer: Answer, at: str, node: str, share: float) -> Iterator[str]:
    yield f"  {node} [shape=box label={_quoted(answer_words(answer))}];"
    yield f"  {at} -> {node} [label={_quoted(percent(share))}];"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
details { border-left: 3px solid #8aa; margin: .5rem 0; padding-left: 1rem; }
summary { cursor: pointer; font-weight: 600; }
li { list-style: none; } ul { padding-left: .5rem; margin: .3rem 0; }
.held { color: #063; } .not { color: #777; } .end { font-weight: 600; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd; } .held { color: #7d9; } }
"""


def html_of(journey: Journey) -> str:
    """The journey as a page of its own: hops that open and close, nothing loaded from elsewhere."""
    title = escape(journey.ask.text)
    body = [f"<h1>{title}</h1>", _items(journey.steps)]
    if isinstance(journey.then, Hop):
        body.append(_section(journey.then))
    ends = (f"{percent(end.share)}: {answer_words(end.answer)}" for end in ends_of(journey))
    body += [f'<p class="end">{escape(words)}</p>' for words in ends]
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(body)}</body></html>"


def _items(steps: tuple[Step, ...]) -> str:
    items = (
        f'<li class="{"held" if step.held else "not"}">{escape(line_of(step))}</li>'
        for step in steps
    )
    return f"<ul>{''.join(items)}</ul>"


def _section(hop: Hop) -> str:
    inner = [_items(hop.steps)]
    if isinstance(hop.then, Answer):
        inner.append(f'<p class="end">{escape(answer_words(hop.then))}</p>')
    else:
        for leg in hop.then:
            inner += [f"<p>{escape(leg_words(leg))}</p>", _items(leg.steps)]
            if isinstance(leg.then, Hop):
                inner.append(_section(leg.then))
            else:
                inner.append(f'<p class="end">{escape(answer_words(leg.then))}</p>')
    name = escape(f"{_name(hop)} ({hop.way.value})")
    return f"<details open><summary>{name}</summary>{''.join(inner)}</details>"
