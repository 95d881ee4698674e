"""What runs, but surely not as meant: advice that `lateen analyze` gives and `lateen up` does not.

In: sound objects, and what else is known.    Out: problems, all under codes of their own.
Before: check/inventory.py                    After: check/analysis.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lateen.api.objects import Obj
from lateen.base.problem import Problem
from lateen.check.advice.scaling import (
    advise_on_autoscalers,
    advise_on_bindings,
    advise_on_budgets,
    advise_on_network_policies,
)
from lateen.check.advice.survey import Survey
from lateen.check.advice.workloads import advise_on_target_ports, advise_on_workloads

ADVISERS: tuple[Callable[[Survey], Iterator[Problem]], ...] = (
    advise_on_workloads,
    advise_on_target_ports,
    advise_on_budgets,
    advise_on_autoscalers,
    advise_on_network_policies,
    advise_on_bindings,
)


def advise(objects: Sequence[Obj], known: Sequence[Obj] = ()) -> tuple[Problem, ...]:
    """Advice on the objects; `known` are others that are there, which are only referred to."""
    keys = {obj.key for obj in objects}
    survey = Survey(tuple({obj.key: obj for obj in (*known, *objects)}.values()))
    found = (problem for adviser in ADVISERS for problem in adviser(survey))
    return tuple(problem for problem in found if problem.origin.key in keys)
