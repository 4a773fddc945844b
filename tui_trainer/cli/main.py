"""The command `tuitrain`: one boundary at which every error becomes a message and a status."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui_trainer.errors import ExitStatus, TuitrainError, UsageError

if TYPE_CHECKING:
    from typer.exceptions import TyperException


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run the command line; its exit status comes back."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows a question mark, not an error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    from typer.exceptions import Abort, TyperException

    from tui_trainer.cli.app import app

    if "_TUITRAIN_COMPLETE" in os.environ:
        # Shell completion speaks through the environment and wants Typer's own handling.
        app(prog_name="tuitrain")
    as_json, debug = "--json" in arguments, "--debug" in arguments
    # It belongs to every command, wherever it is typed.
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        status = app(args=arguments, prog_name="tuitrain", standalone_mode=False)
        sys.stdout.flush()
        return int(status or 0)
    except TuitrainError as error:
        return _report(error, as_json=as_json, debug=debug)
    except (KeyboardInterrupt, Abort):
        return ExitStatus.INTERRUPTED
    except (BrokenPipeError, SystemExit) as error:
        # Typer ends on its own after installing completion, and on a broken pipe.
        if isinstance(error, SystemExit) and error.code in (None, 0, ExitStatus.TERMINATED):
            return int(error.code or 0)
        # The reader of our output has gone; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except TyperException as error:
        # Typer keeps this class to itself: a group was named without a command.
        if type(error).__name__ == "NoArgsIsHelpError":
            from tui_trainer.cli.output import say_lines

            say_lines(error.message)
            return ExitStatus.USAGE
        return _report(_usage_error(error), as_json=as_json, debug=debug)
    except Exception as error:  # noqa: BLE001 - the boundary of the process
        wrapped = TuitrainError(
            f"tuitrain met a fault of its own: {type(error).__name__}: {error}",
            "Repeat the command with --debug and report what it prints.",
        )
        wrapped.__cause__ = error
        return _report(wrapped, as_json=as_json, debug=debug)


def _usage_error(error: TyperException) -> UsageError:
    """A parser's complaint in our form: what is wrong, then what to do."""
    from tui_trainer.core.suggest import nearest

    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "tuitrain"
    hint = f"See what there is with: {path} --help."
    possible = getattr(error, "possibilities", None)
    message = error.message if possible else error.format_message()
    # Typer's own suggestion is taken off: ours stands in the hint.
    message = re.sub(r" Did you mean .*\?$", "", message).replace("Value error, ", "")
    listed = getattr(context and context.command, "list_commands", None)
    group = listed(context) if listed is not None else None
    if possible:
        near = nearest(getattr(error, "option_name", ""), possible)
        hint = f"Did you mean {near or ' or '.join(sorted(possible))}?"
    elif group and message.startswith("No such command"):
        near = nearest(message.split("'")[1], group)
        hint = f"Did you mean {path} {near}?" if near else hint
    elif group and message.startswith("No such option"):
        hint = f"Options of a command come after its name; see what there is with: {path} --help."
    return UsageError(message.rstrip(".") + ".", hint)


def _report(error: TuitrainError, *, as_json: bool, debug: bool) -> int:
    from tui_trainer.cli.output import print_error

    print_error(error, as_json=as_json, debug=debug)
    return error.exit_status
