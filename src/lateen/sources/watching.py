"""Tell when a manifest, or lateen.yaml, has changed on disk.

In: the paths given to `lateen up`.    Out: a stream of sets of changed paths.
Before: sources/files.py               After: stages/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

from watchfiles import Change, DefaultFilter, awatch

from lateen.sources.files import KUSTOMIZATIONS, PROJECT_FILE, is_manifest_name, is_skipped

DEBOUNCE_MS = 50
_STEP_MS = 8
_TIMEOUT_MS = 1000


class ManifestFilter(DefaultFilter):
    """Lets through manifests and lateen.yaml under the watched paths."""

    def __init__(self, paths: Iterable[Path]) -> None:
        super().__init__()
        full = [path.resolve() for path in paths]
        self._folders = tuple(path for path in full if path.is_dir())
        # Editors replace a file by renaming, so a single file is watched through its folder.
        self._files = frozenset(path for path in full if not path.is_dir())

    @property
    def watched(self) -> tuple[Path, ...]:
        """The folders to watch: those given, and those of the files given."""
        beside = (file.parent for file in self._files if file.parent.is_dir())
        return tuple(dict.fromkeys([*self._folders, *beside]))

    @property
    def has_folders(self) -> bool:
        """Whether to watch below the folders, too: not for files alone, whose folder may be large."""
        return bool(self._folders)

    def __call__(self, change: Change, path: str) -> bool:
        """Whether the change of that path matters; the kind of change does not."""
        found = Path(path)
        if found in self._files or found.name == PROJECT_FILE:
            return True
        for folder in self._folders:
            if not found.is_relative_to(folder):
                continue
            inside = found.relative_to(folder).parts
            hidden = any(is_skipped(part) for part in inside[:-1])
            named = is_manifest_name(found.name) or found.name in KUSTOMIZATIONS
            # A folder that came, went or was renamed may have held manifests.
            whole = change is not Change.modified and "." not in found.name
            if not hidden and (named or (whole and not is_skipped(found.name))):
                return True
        return False


async def watching(
    paths: Sequence[str], *, stop: asyncio.Event | None = None
) -> AsyncIterator[frozenset[str]]:
    """Yield the changed paths each time manifests were changed, created or removed.

    Changes that come within 50 ms of one another are yielded together. Ends when `stop` is set. An empty set comes
    first where nothing has changed within a second: from then on, surely, nothing is missed.
    Standard input (`-`) and paths that do not exist are not watched.
    """
    given = [Path(path) for path in paths if path != "-" and Path(path).exists()]
    only = ManifestFilter(given)
    if not only.watched:
        return
    stands = False
    async for changes in awatch(
        *only.watched,
        watch_filter=only,
        debounce=DEBOUNCE_MS,
        step=_STEP_MS,
        stop_event=stop,
        recursive=only.has_folders,
        rust_timeout=_TIMEOUT_MS,
        yield_on_timeout=True,
    ):
        if changes or not stands:
            yield frozenset(path for _, path in changes)
        stands = True
