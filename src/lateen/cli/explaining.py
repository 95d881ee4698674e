"""`lateen explain`: the whole way of one request, and why it went that way.

In: a request, files, a running mesh or a dump.     Out: text, JSON, DOT or HTML.
Before: explain/journey.py, explain/dumps.py        After: cli/commands/knowing.py
"""

from __future__ import annotations

import json

from msgspec import Struct

from lateen.cli.reading import read_draft, running_draft
from lateen.explain.asking import Ask
from lateen.explain.drawing import data_of, dot_of, html_of, step_data
from lateen.explain.journey import journey_from, journey_via
from lateen.explain.mesh import mesh_of
from lateen.explain.telling import line_of, told
from lateen.explain.ways import Journey, ends_of
from lateen.explain.whynot import why_not
from lateen.stages.drafts import Draft, ingress_of, named_workload


class Question(Struct, frozen=True, kw_only=True):
    """What is asked: one request, from a workload (`source`) or by a gateway (`via`).

    `paths` are files, none for the running mesh `name`; `dump` is a file with an Envoy's config_dump.
    """

    ask: Ask
    source: str = ""
    via: str = ""
    client: str = ""
    paths: tuple[str, ...] = ()
    name: str = "default"
    namespace: str = "default"
    dump: str = ""
    inbound: bool = False
    peer: str = ""
    why_not: str = ""
    live: bool = False
    form: str = "text"


def run_explain(asked: Question) -> int:
    """Print the way of the request; exit status 1 if a proxy, and no app, answers all of it."""
    if asked.dump:
        from lateen.cli.dumping import run_dump

        return run_dump(asked)
    draft = (
        read_draft(asked.paths, namespace=asked.namespace)
        if asked.paths
        else running_draft(asked.name, "-f PATH looks at files")
    )
    journey = journey_of(draft, asked)
    if asked.live:
        from lateen.cli.sending import sender_for, show_live

        sender = sender_for(asked.name)
        live = sender.traced(sender.send(journey), journey)
        print(show_live(journey, live, asked.form))
        return 0 if live.status else 1
    if asked.why_not:
        return _print_why_not(asked, draft, journey)
    print(_shown(journey, asked.form))
    return 0 if any(end.answer.app for end in ends_of(journey)) else 1


def journey_of(draft: Draft, asked: Question) -> Journey:
    """The way of the request through a mesh; raises NotFound for a workload that is not there."""
    mesh = mesh_of(draft.world, draft.plan)
    if asked.source and asked.source != "outside":
        source = named_workload(draft.world, asked.source)
        return journey_from(mesh, asked.ask, source)
    via = named_workload(draft.world, asked.via) if asked.via else ingress_of(draft.world)
    return journey_via(mesh, asked.ask, via, client=asked.client)


def _shown(journey: Journey, form: str) -> str:
    match form:
        case "json":
            return json.dumps(data_of(journey), indent=2, ensure_ascii=False)
        case "dot":
            return dot_of(journey)
        case "html":
            return html_of(journey)
    return "\n".join(told(journey))


def _print_why_not(asked: Question, draft: Draft, journey: Journey) -> int:
    reasons = why_not(journey, asked.why_not, draft.plan)
    if asked.form == "json":
        print(json.dumps({"reasons": [step_data(each) for each in reasons]}, indent=2))
    elif not reasons:
        print(f"{asked.ask.text} does come to {asked.why_not}")
    else:
        print(f"{asked.ask.text} does not come to {asked.why_not}:")
        for each in reasons:
            print(f"  {line_of(each)}")
    return 1 if reasons else 0
