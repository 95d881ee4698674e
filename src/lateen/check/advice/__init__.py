"""What runs, but surely not as meant: advice that `lateen analyze` gives and `lateen up` does not.

In: sound objects, and what else is known.    Out: problems, all under codes of their own.
Before: check/inventory.py                    After: check/analysis.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lateen.api.objects import Obj
from lateen.base.problem import Problem
from lateen.check.advice import (
    annotated,
    chains,
    controlplane,
    definitions,
    destinations,
    envoyfilters,
    gateways,
    injection,
    mtls,
    oldforms,
    policies,
    routes,
    scaling,
    scopes,
    services,
    tokens,
    workloads,
)
from lateen.check.advice.survey import Survey

ADVISERS: tuple[Callable[[Survey], Iterator[Problem]], ...] = (
    annotated.advise_on_annotations,
    chains.advise_on_chains,
    controlplane.advise_on_key_fetches,
    controlplane.advise_on_networks,
    controlplane.advise_on_outer_control_planes,
    definitions.advise_on_gateway_definitions,
    destinations.advise_on_destination_rules,
    envoyfilters.advise_on_envoy_filters,
    gateways.advise_on_bindings_to_gateways,
    gateways.advise_on_gateways,
    gateways.advise_on_kubernetes_gateways,
    injection.advise_on_auto_images,
    injection.advise_on_injectors,
    injection.advise_on_namespaces,
    injection.advise_on_users,
    mtls.advise_on_clients_without_proxy,
    mtls.advise_on_mtls_of_clients,
    mtls.advise_on_mtls_of_servers,
    oldforms.advise_on_commands,
    oldforms.advise_on_deprecated_fields,
    policies.advise_on_policies,
    routes.advise_on_destinations,
    routes.advise_on_rules,
    scaling.advise_on_autoscalers,
    scaling.advise_on_bindings,
    scaling.advise_on_budgets,
    scaling.advise_on_network_policies,
    scopes.advise_on_peer_policies,
    scopes.advise_on_sidecars,
    scopes.advise_on_telemetries,
    services.advise_on_entries,
    services.advise_on_port_names,
    services.advise_on_shared_pods,
    tokens.advise_on_tokens,
    workloads.advise_on_target_ports,
    workloads.advise_on_workloads,
)


def advise(objects: Sequence[Obj], known: Sequence[Obj] = ()) -> tuple[Problem, ...]:
    """Advice on the objects; `known` are others that are there, which are only referred to."""
    keys = {obj.key for obj in objects}
    survey = Survey(tuple({obj.key: obj for obj in (*known, *objects)}.values()))
    found = (problem for adviser in ADVISERS for problem in adviser(survey))
    return tuple(problem for problem in found if problem.origin.key in keys)
