"""What this process counts comes out as Prometheus' counters, gauges and histograms."""

from __future__ import annotations

from lateen.telemetry.containers import ContainerAccount, container_families
from lateen.telemetry.meters import Histogram, process_families
from lateen.telemetry.promtext import Family, parse_families, write_families


def values(family: Family) -> dict[str, float]:
    return {dict(s.labels).get("le", s.name): s.value for s in family.samples}


def test_a_histogram_counts_what_is_up_to_each_bound() -> None:
    histogram = Histogram(name="t", help="", labels=("verb",), bounds=(0.1, 1))
    for seconds in (0.1, 0.5, 5.0):
        histogram.observe(seconds, "GET")
    found = values(histogram.family())
    assert found == {"0.1": 1, "1": 2, "+Inf": 3, "t_sum": 5.6, "t_count": 3}
    assert (
        parse_families(write_families([histogram.family()]))[0].samples
        == histogram.family().samples
    )


def test_callers_cannot_fill_the_memory_with_labels() -> None:
    histogram = Histogram(name="t", help="", labels=("resource",), bounds=(1,))
    for number in range(3000):
        histogram.observe(1, str(number))
    assert len(histogram.family().samples) == 2000 * 4


def test_this_process_tells_what_it_uses() -> None:
    found = {f.name: f.samples[0].value for f in process_families(5.0)}
    assert found["process_cpu_seconds_total"] > 0
    assert found["process_resident_memory_bytes"] > 1_000_000
    assert found["process_start_time_seconds"] == 5


def test_containers_have_cadvisors_names() -> None:
    account = ContainerAccount(
        namespace="a", pod="p", container="c", image="i", cpu=1.5, memory=1024
    )
    page = write_families(container_families([account]))
    assert (
        'container_cpu_usage_seconds_total{container="c",cpu="total",image="i",namespace="a",pod="p"} 1.5'
        in page
    )
    assert (
        'container_memory_working_set_bytes{container="c",image="i",namespace="a",pod="p"} 1024'
        in page
    )
