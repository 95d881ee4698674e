"""Change a proxy's bootstrap by patches in Envoy's own words.

In: bootstrap, Patches.        Out: bootstrap.
Before: envoy/bootstrap.py     After: stages/bootstrapping.py
"""

from __future__ import annotations

import json

from lateen.api.envoywords import TYPES, read_words, words_of
from lateen.envoy.patchwork import MERGES, merge
from lateen.ir.patches import Patch

_KIND = "BOOTSTRAP"


def patched_bootstrap(text: str, patches: tuple[Patch, ...]) -> str:
    """The bootstrap as JSON; patches hold for proxies that start from now on, as in Istio."""
    chosen = [each for each in patches if each.apply_to == _KIND and each.operation in MERGES]
    if not chosen:
        return text
    message = read_words(TYPES[_KIND], json.loads(text))
    for patch in chosen:
        merge(message, patch)
    return json.dumps(words_of(message), indent=1)
