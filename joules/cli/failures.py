"""Turns failures into messages and exit statuses."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys

from joules.errors import UserError

_USER_ERROR = 2
_INTERRUPTED = 128 + signal.SIGINT
_CLOSED_PIPE = 128 + signal.SIGPIPE
_REMEDIES = {
    errno.ENOSPC: "free disk space, then run again",
    errno.EDQUOT: "free disk space, then run again",
    errno.EROFS: "work in a copy of the repository on a writable file system",
    errno.EACCES: "change its permissions, or work in a copy that you own",
    errno.EMFILE: "raise the limit of open files with 'ulimit -n 1024'",
    errno.EPERM: "work in a copy that you own",
}


def report_failure(failure: BaseException, command: str) -> int:
    """Prints what the user can do about a failure.

    Args:
        failure: What the command raised.
        command: The name of the command.

    Returns:
        The exit status: 2 for an error of the user's, 130 for an interrupt, 141 for a closed pipe.

    Raises:
        BaseException: `failure` itself, if it is a fault of this program.
    """
    match failure:
        case BrokenPipeError():
            # The reader of standard output, such as head, has closed it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return _CLOSED_PIPE
        case KeyboardInterrupt():
            kept = ": run again to continue (recorded runs are kept)" if command == "measure" else ""
            print_error(f"interrupted{kept}")
            return _INTERRUPTED
        case UserError():
            print_error(str(failure))
            return _USER_ERROR
        case ModuleNotFoundError() if (package := _package_of(failure)) is not None:
            print_error(
                f"'{command}' needs {package}, which is not installed for {sys.executable}: run 'make setup' "
                "in the repository and use .venv/bin/joules, or install the package with its extras"
            )
            return _USER_ERROR
        case OSError() if (remedy := _REMEDIES.get(failure.errno or 0)) is not None:
            place = f"{failure.filename}: " if failure.filename else ""
            print_error(f"{place}{failure.strerror}: {remedy}")
            return _USER_ERROR
        case _:
            raise failure


def print_error(message: str) -> None:
    """Prints an error message; does nothing if standard error cannot be written."""
    with contextlib.suppress(OSError):
        print(f"error: {message}", file=sys.stderr, flush=True)


def _package_of(failure: ModuleNotFoundError) -> str | None:
    """The missing package, unless it is a module of this repository."""
    package = (failure.name or "").partition(".")[0]
    return None if package in ("", "joules", "experiments") else package
