"""The control plane's entry point: `python -m lateen.console.serve RUN`, console included.

In: RUN/settings.json.    Out: a control plane that serves the console besides its API.
Before: app/supervising.py      After: app/control.py

The console is a leaf, so the layers below never import it; it is handed to them here.
"""

from __future__ import annotations

from lateen.app.control import main
from lateen.console.listening import console_listener

if __name__ == "__main__":
    main(console_listener)
