"""The command `joules`: a meter for anything, and each step of the paper as a plain command."""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import json
import math
import os
import platform
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joules.errors import UserError

if TYPE_CHECKING:
    from joules.study.config import Config

_DISK_REMEDIES = {
    errno.ENOSPC: "free some and run again; what was recorded is kept",
    errno.EDQUOT: "free some and run again; what was recorded is kept",
    errno.EROFS: "nothing can be written there; work in a copy of the repository elsewhere",
    errno.EACCES: "you may not read or write it; change its permissions, or work in a copy that is yours",
    errno.EMFILE: "this process may open no more files; raise the limit with 'ulimit -n 1024'",
    errno.EPERM: "you may not change it; work in a copy that is yours",
}
_LOCAL = "local"
_ALIKE = {
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "1",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
_OBJECTS_BETWEEN_COLLECTIONS = 1_000_000

Options = argparse.Namespace


@dataclass(frozen=True)
class Command:
    """A command: what it does in a line, how its arguments are declared, and what runs it.

    One that is `of_a_repository` runs in the clone's folder, by the clone's own code. One that `is_exact`
    is to write the same bytes on any x86-64 with AVX2.
    """

    summary: str
    run: Callable[[Options], int | None]
    declare: Callable[[argparse.ArgumentParser], None] = lambda _parser: None
    of_a_repository: bool = True
    is_exact: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status (2 after a sentence on standard error)."""
    _open_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    command = COMMANDS[options.command]
    # Commands keep what they read to their end; to look for garbage as often as Python does by itself takes a
    # tenth of their time.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        if command.of_a_repository:
            _enter_repository(options, given)
        if command.is_exact:
            _compute_alike()
        status = command.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads our output, such as head, has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
    except UserError as fault:
        _complain(str(fault))
        return 2
    except ModuleNotFoundError as fault:
        package = (fault.name or "").partition(".")[0]
        if package in ("", "joules", "experiments"):
            raise
        _complain(
            f"'{options.command}' needs {package}, which is not installed for {sys.executable}: run "
            "'make setup' in the clone and use .venv/bin/joules, or install the package with its extras"
        )
        return 2
    except OSError as fault:
        remedy = _DISK_REMEDIES.get(fault.errno or 0)
        if remedy is None:
            raise
        place = f"{fault.filename}: " if fault.filename else ""
        _complain(f"{place}{fault.strerror}: {remedy}")
        return 2
    except KeyboardInterrupt:
        _complain("interrupted: what was recorded is kept, run again to go on")
        return 130
    return status or 0


def _open_streams() -> None:
    """Opens what a caller has closed of the standard streams, to nowhere: else the next file that is opened
    takes the place, and what is printed lands in it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(opened, True)
            if opened != number:
                os.dup2(opened, number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def _complain(sentence: str) -> None:
    """Says what went wrong; where nobody can be told, the exit status does."""
    with contextlib.suppress(OSError):
        print(f"error: {sentence}", file=sys.stderr, flush=True)


def _enter_repository(options: Options, given: Sequence[str]) -> None:
    """Goes to the clone's folder, where its questions can be imported. Where another copy of this package is
    running, such as an installed one, the clone's own takes over: its code is what fingerprints name."""
    import tempfile

    import joules
    from joules.study.repository import repository_root

    root = repository_root(Path(options.root) if options.root else None)
    os.chdir(root)
    own = root / "joules" / "__init__.py"
    if own.exists() and not own.samefile(joules.__file__):
        rest = list(given)
        if options.root:
            place = next(i for i, word in enumerate(rest) if word.startswith("--root"))
            del rest[place : place + (1 if "=" in rest[place] else 2)]
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, "-m", "joules", *rest])
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    # PyTorch makes a folder for kernels that it compiles as soon as torchvision is imported, and leaves it.
    # Nothing is compiled here, and the folder around it is there already.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.gettempdir())


def _compute_alike() -> None:
    """Has NumPy and its BLAS, which are not loaded yet, compute as on any x86-64 with AVX2: they would choose
    by processor, and last digits differ. Measuring keeps what they choose."""
    with contextlib.suppress(OSError):
        if platform.machine() == "x86_64" and " avx2 " in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
            os.environ.update(_ALIKE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="joules",
        description=__doc__,
        usage="joules COMMAND ...",
        epilog=_overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_version())
    parsers = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", help=argparse.SUPPRESS, prog="joules"
    )
    for name, command in COMMANDS.items():
        added = parsers.add_parser(name, description=command.summary)
        command.declare(added)
        if command.of_a_repository:
            added.add_argument(
                "--root", metavar="FOLDER", help="the clone to work on (default: the one you are in)"
            )
    return parser


def _overview() -> str:
    """The commands by who uses them."""
    lines = []
    for title, names in GROUPS.items():
        lines.append(f"{title}:")
        for name in names:
            text = textwrap.wrap(COMMANDS[name].summary, 62)
            lines += [f"  {name if not i else '':15}{part}" for i, part in enumerate(text)]
        lines.append("")
    return "\n".join([*lines, "joules COMMAND --help says more."])


def _version() -> str:
    from joules import METER_VERSION
    from joules.version import VERSION

    return f"joules {VERSION} (meter version {METER_VERSION})"


def _of_campaign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--campaign", default=_LOCAL, help="folder of results/ (default: local)")


def _configured(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="overrides workflow/config.yaml, for example scale=smoke",
    )


def _of_experiments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiments", nargs="*", help="default: all the campaign has")


def _declare(*parts: Callable[[argparse.ArgumentParser], None]) -> Callable[[argparse.ArgumentParser], None]:
    def declare(parser: argparse.ArgumentParser) -> None:
        for part in parts:
            part(parser)

    return declare


def _config(options: Options) -> Config:
    from joules.study.config import check_config, parse_option, read_options

    return check_config({**read_options(), **dict(map(parse_option, options.option))})


def _campaign(options: Options) -> Any:
    from joules.study.campaign import Campaign

    return Campaign(options.campaign)


def _experiments(options: Options) -> list[str]:
    return options.experiments or _campaign(options).experiments()


def _finite(least: float) -> Callable[[str], float]:
    """What reads a number of an option that is finite and at least so much."""

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value) or value < least:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number from {least:g} on")
        return value

    return number


def _declare_meter(parser: argparse.ArgumentParser) -> None:
    parser.usage = "joules meter [options] -- COMMAND ..."
    none, one = _finite(0.0), _finite(1.0)
    parser.add_argument("--idle", type=none, default=2.0, metavar="SECONDS", help="rest before it (2)")
    parser.add_argument("--json", metavar="FILE", help="also write everything read as JSON")
    parser.add_argument(
        "--wait", action="store_true", help="wait for processes that the command leaves behind"
    )
    parser.add_argument(
        "--region", default="WOR", help="ISO 3166 alpha-3 country of the grid (WOR: the world)"
    )
    parser.add_argument("--pue", type=one, default=1.0, help="power usage effectiveness of the building (1)")
    parser.add_argument("--price", type=none, metavar="USD", help="price of a kWh in US dollars (0.151)")
    parser.add_argument("--floor", type=none, metavar="WATTS", help="least power of the whole machine")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")


def _meter(options: Options) -> int:
    command = options.arguments[1:] if options.arguments[:1] == ["--"] else options.arguments
    if not command:
        raise UserError("nothing to meter: write joules meter -- COMMAND ...")
    with _threads_without_signals():
        from joules.instrument import carbon
        from joules.instrument.command import meter_command, report

    grid = carbon.grid(options.region)
    path = Path(options.json) if options.json else None
    if path is not None:
        _check_writable(path)
    metered = meter_command(
        command,
        grid,
        options.pue,
        carbon.PRICE_USD_PER_KWH if options.price is None else options.price,
        options.idle,
        options.floor,
        options.wait,
    )
    # From here on the exit status is the command's, and what was read is kept before anything is printed.
    if path is not None:
        try:
            # Arguments of a command are bytes: what is no text is escaped.
            text = json.dumps(metered.model_dump(), indent=2)
            path.write_text(text + "\n", encoding="utf-8")
        except OSError as fault:
            _complain(f"{path} could not be written: {fault.strerror}")
    with contextlib.suppress(OSError):
        print(report(metered, grid).encode("utf-8", "backslashreplace").decode(), file=sys.stderr, flush=True)
    return metered.exit_code


@contextlib.contextmanager
def _threads_without_signals() -> Iterator[None]:
    """Threads that libraries start in the body leave signals to this one."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _check_writable(path: Path) -> None:
    """Raises UserError where a file could not be written at the end of a long command."""
    try:
        with path.open("a", encoding="utf-8"):
            pass
    except OSError as fault:
        raise UserError(f"{path} could not be written: {fault.strerror}") from None


def _doctor(_options: Options) -> None:
    from joules.instrument.doctor import diagnose

    for line in diagnose():
        print(line, flush=True)


def _declare_measure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment")
    parser.add_argument("--block", type=int, default=0, help="counted from 0 (0)")
    _configured(parser)


def _measure(options: Options) -> None:
    from joules.bench.measure import measure_block
    from joules.bench.scheduler import Block
    from joules.study.campaign import Campaign

    print(measure_block(Block(options.experiment, options.block, _config(options), Campaign(_LOCAL))))


def _declare_tabulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", help="one experiment, or 'campaign' for the tables of the campaign itself"
    )
    _of_campaign(parser)
    _configured(parser)


def _tabulate(options: Options) -> None:
    from joules.analysis.steps import tabulate

    tabulate(_campaign(options), options.experiment, _config(options))


def _declare_draw(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment")
    parser.add_argument("figures", nargs="*", metavar="figure", help="all of the experiment's by default")
    _of_campaign(parser)


def _draw(options: Options) -> None:
    from joules.analysis.steps import draw
    from joules.study.campaign import figures_of

    for figure in options.figures or figures_of(options.experiment):
        draw(_campaign(options), options.experiment, figure)


def _judge(options: Options) -> None:
    from joules.paper.steps import evaluate_claims

    evaluate_claims(_campaign(options), _experiments(options))


def _inject(options: Options) -> None:
    from joules.paper.steps import check_prose, export_values

    experiments = _experiments(options)
    check_prose(experiments, export_values(_campaign(options), experiments, _config(options)))


def _typeset(options: Options) -> None:
    from joules.paper.steps import typeset_paper

    print(typeset_paper(_campaign(options)))


def _manifest(options: Options) -> None:
    from joules.archive import manifest

    print(manifest.write(_campaign(options), _experiments(options), _config(options)))


def _explorer(options: Options) -> None:
    from joules.archive import explorer

    print(explorer.write(_campaign(options)))


def _declare_live(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", default="grokking", help="a question with a live.py (grokking)"
    )
    parser.add_argument("--port", type=int, default=0, help="on the loopback address (0: any that is free)")
    parser.add_argument("--no-browser", action="store_true", help="say the address and open nothing")
    _configured(parser)


def _live(options: Options) -> None:
    from joules.study.design import experiment_folder

    if not (experiment_folder(options.experiment) / "live.py").exists():
        raise UserError(f"{options.experiment} has no live.py: its trainings cannot be watched")
    if not 0 <= options.port < 2**16:
        raise UserError(f"{options.port} is no port: choose one from 0 to 65535")
    from joules.live.server import serve

    serve(options.experiment, _config(options), options.port, opens=not options.no_browser)


def _release(options: Options) -> None:
    from joules.archive.release import release

    for path in release(_campaign(options)):
        print(path)


def _reproduction(options: Options) -> None:
    from joules.paper.comparison import report

    print(report(_campaign(options)))


def _declare_trace(parser: argparse.ArgumentParser) -> None:
    _of_campaign(parser)
    parser.add_argument(
        "target",
        nargs="?",
        help="figures/<campaign>/<figure>.pdf, the key of a value, or "
        "<experiment>/<table>.csv:<row>:<column>",
    )
    parser.add_argument("--verify", action="store_true", help="prove the whole campaign first")


def _trace(options: Options) -> None:
    from joules.archive import manifest
    from joules.archive.lineage import trace

    campaign = _campaign(options)
    if options.target is None and not options.verify:
        raise UserError("nothing to trace: name a figure, a value or a cell, or give --verify")
    if options.verify:
        for line in manifest.verify(campaign):
            print(line)
    if options.target is not None:
        for line in trace(options.target, campaign):
            print(line)


def _declare_new_experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="letters, digits and underscores; the name of its folder")


def _new_experiment(options: Options) -> None:
    from joules.study.new_experiment import new_experiment

    for path in new_experiment(options.name):
        print(path)


def _schemas(_options: Options) -> None:
    from joules.archive.schemas import schema_files

    for path, text in schema_files().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(Path.cwd()))


COMMANDS = {
    "meter": Command("joules of any command, like perf stat", _meter, _declare_meter, of_a_repository=False),
    "doctor": Command(
        "what this machine measures, what is modelled, what is missing", _doctor, of_a_repository=False
    ),
    "measure": Command("measure one block of an experiment on this machine", _measure, _declare_measure),
    "tabulate": Command("records to CSV tables", _tabulate, _declare_tabulate, is_exact=True),
    "draw": Command("tables to figures", _draw, _declare_draw, is_exact=True),
    "judge": Command(
        "which of the paper's claims a campaign supports",
        _judge,
        _declare(_of_experiments, _of_campaign),
        is_exact=True,
    ),
    "inject": Command(
        "tables and verdicts to the numbers the paper prints",
        _inject,
        _declare(_of_experiments, _of_campaign, _configured),
        is_exact=True,
    ),
    "typeset": Command("LaTeX to PDF", _typeset, _of_campaign),
    "trace": Command(
        "the chain from a figure, a value or a cell down to its readings; with --verify the proof of all",
        _trace,
        _declare_trace,
        is_exact=True,
    ),
    "reproduction": Command(
        "one page: this campaign against the released ones", _reproduction, _of_campaign, is_exact=True
    ),
    "manifest": Command(
        "the hashes of all files of a campaign",
        _manifest,
        _declare(_of_experiments, _of_campaign, _configured),
    ),
    "explorer": Command(
        "one page to walk a campaign, from a figure down to a reading", _explorer, _of_campaign
    ),
    "release": Command(
        "a data package, an RO-Crate and an archive of a campaign", _release, _of_campaign, is_exact=True
    ),
    "new-experiment": Command(
        "a question of your own: a folder that measures from the start, to be filled in",
        _new_experiment,
        _declare_new_experiment,
    ),
    "live": Command("watch a training, and what it wastes, in a browser", _live, _declare_live),
    "schemas": Command("write workflow/schemas/ from the models", _schemas),
}
GROUPS = {
    "meter anything": ("meter", "doctor"),
    "the paper, step by step (snakemake runs them all)": (
        "measure",
        "tabulate",
        "draw",
        "judge",
        "inject",
        "typeset",
    ),
    "see it": ("live", "explorer"),
    "proof and release": ("trace", "reproduction", "manifest", "release"),
    "extend": ("new-experiment", "schemas"),
}
