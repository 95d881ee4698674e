"""Teach a shell the commands, their options and the names of pods.

In: the commands, a shell's name.    Out: the shell's script, printed or put where the shell looks.
Before: -                            After: cli/main.py
"""

from __future__ import annotations

import os
from pathlib import Path

import click

_VARIABLE = "_LATEEN_COMPLETE"
# Where each shell looks of its own accord, or from which file of its own it has to be told.
_BASH = ".local/share/bash-completion/completions/lateen"
_FISH = ".config/fish/completions/lateen.fish"
_ZSH, _ZSH_SETTINGS = ".zfunc/_lateen", ".zshrc"
_ZSH_LINES = "\nfpath=(~/.zfunc $fpath)\nautoload -Uz compinit && compinit\n"


def show_completion(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the script for the shell that runs."""
    if wanted:
        click.echo(_script(ctx.command, _shell()))
        ctx.exit()


def install_completion(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Put the script where the shell that runs reads it."""
    if not wanted:
        return
    shell = _shell()
    path = Path.home() / {"bash": _BASH, "fish": _FISH, "zsh": _ZSH}[shell]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_script(ctx.command, shell), encoding="utf-8")
    if shell == "zsh":
        settings = Path.home() / _ZSH_SETTINGS
        said = settings.read_text(encoding="utf-8") if settings.exists() else ""
        if _ZSH_LINES.strip() not in said:
            settings.write_text(said + _ZSH_LINES, encoding="utf-8")
    click.echo(f"{path}: for {shell}, from its next start on")
    ctx.exit()


def _shell() -> str:
    shell = Path(os.environ.get("SHELL", "")).name
    if shell not in {"bash", "fish", "zsh"}:
        raise click.UsageError(f"SHELL is {shell or 'not set'}: completion is for bash, fish, zsh")
    return shell


def _script(command: click.Command, shell: str) -> str:
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    return kind(command, {}, "lateen", _VARIABLE).source()
