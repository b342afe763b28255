"""The web page of `joules live`: served on the loopback address only, under a random token."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib
import json
import secrets
import socket
import tempfile
import time
import webbrowser
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from string import Template
from types import FrameType
from typing import Annotated, Any, cast

import uvicorn
from pydantic import Field, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from joules.analysis.drawing.page_renderer import chart_script
from joules.errors import UserError
from joules.instrument import carbon
from joules.live.contracts import Live
from joules.live.training import Replay, Show, Training
from joules.models import Closed
from joules.study.config import Config

HOST = "127.0.0.1"
# Largest body of a request, in bytes.
_MAX_BYTES = 10_000
_QUIZ_SIZE = 3
# Closing the page ends the run. A page that is reloaded requests itself before it disconnects, and then has
# time to reconnect.
_CLOSED_AFTER_S, _RELOADS_WITHIN_S = 0.4, 15.0
_PAGE = Path(__file__).parent / "page"
# The page loads nothing from elsewhere, and other sites can neither frame nor read it.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Replayed(Closed):
    """Which recorded run to replay, and how many times as fast."""

    name: Annotated[str, Field(max_length=200)]
    speed: Annotated[float, Field(ge=0.1, le=1000.0)] = 1.0


class Stage:
    """The run that is watched now, with all its events so far, for clients that connect late.

    Args:
        experiment: Name of the experiment.
        config: Options of the campaign.
        folder: Folder for logs.
    """

    def __init__(self, experiment: str, config: Config, folder: Path) -> None:
        self.live = cast(Live, importlib.import_module(f"experiments.{experiment}.live"))
        self._experiment, self._config, self._folder = experiment, config, folder
        self._show: Show | None = None
        self._number, self._events = 0, list[dict[str, Any]]()
        self._changed = asyncio.Condition()
        self._loop = asyncio.get_running_loop()
        self._acting = asyncio.Lock()
        self._watchers, self._reload_until_s = 0, 0.0
        self._has_quit = False
        self._leaving: asyncio.Future[None] | None = None

    async def act(self, act: str, body: Any) -> None:
        """Does what the page asks for.

        Args:
            act: 'begin', 'replay', 'end', 'ask', 'pause' or 'resume'.
            body: JSON of the request.

        Raises:
            ValidationError: If the body is not what the act needs.
            ValueError: If the act is unknown or not possible now.
            UserError: If there is no such recorded run.
        """
        async with self._acting:
            if act == "begin":
                choices: Any = self.live.Choices.model_validate(body)
                await self._begin(lambda tell: self._make_training(choices, tell))
            elif act == "replay":
                chosen = Replayed.model_validate(body)
                recorded = await asyncio.to_thread(self.live.load_replay, chosen.name)
                watch = self.live.start_watch(recorded.parameters)
                await self._begin(lambda tell: Replay(recorded, chosen.speed, watch, tell))
            elif act == "end":
                await self._end()
            elif self._show is None or self._show.is_over:
                raise ValueError("no run is active: start one first")
            elif act == "ask":
                self._show.ask(self.live.Question.model_validate(body).model_dump())
            elif act == "pause":
                self._show.pause()
            elif act == "resume":
                self._show.resume()
            else:
                raise ValueError(f"unknown act '{act}': use begin, replay, end, ask, pause or resume")

    def _make_training(self, choices: Any, tell: Callable[[dict[str, Any]], None]) -> Training:
        training = Training(
            self._experiment,
            self.live.make_parameters(choices),
            choices.seed,
            self._folder / "training.log",
            self._config.floor_power_w,
            tell,
        )
        # Asked at the first pause; the page repeats these questions after the training.
        for _ in range(_QUIZ_SIZE):
            training.ask(self.live.Question().model_dump())
        return training

    async def _begin(self, make: Callable[[Callable[[dict[str, Any]], None]], Show]) -> None:
        await self._end()
        self._number += 1
        self._events = []
        number = self._number

        def tell(event: dict[str, Any]) -> None:
            asyncio.run_coroutine_threadsafe(self._append(number, event), self._loop)

        self._show = make(tell)
        self._show.start()

    async def _end(self) -> None:
        if self._show is not None:
            await asyncio.to_thread(self._show.stop)
            self._show = None

    def quit(self) -> None:
        """Ends the run and every stream of events, without waiting."""
        self._has_quit = True
        if self._show is not None:
            self._show.interrupt()
        asyncio.run_coroutine_threadsafe(self._wake(), self._loop)

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _append(self, number: int, event: dict[str, Any]) -> None:
        if number == self._number:
            async with self._changed:
                self._events.append(event)
                self._changed.notify_all()

    def expect_reload(self) -> None:
        """Notes that the page was requested: a client that disconnects now is expected to reconnect."""
        self._reload_until_s = time.monotonic() + _RELOADS_WITHIN_S

    async def stream_events(self) -> AsyncGenerator[dict[str, Any]]:
        """Yields all events of the run from its start, and those of later runs. Closing the generator is
        leaving."""
        self._watchers += 1
        self._reload_until_s = 0.0
        number, place = self._number, 0
        try:
            while True:
                async with self._changed:
                    while number == self._number and place >= len(self._events) and not self._has_quit:
                        await self._changed.wait()
                    if self._has_quit:
                        return
                    if number != self._number:
                        number, place = self._number, 0
                    fresh = self._events[place:]
                place += len(fresh)
                for event in fresh:
                    yield event
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._loop.call_later(_CLOSED_AFTER_S, self._closed)

    def _closed(self) -> None:
        if self._watchers:
            return
        left_s = self._reload_until_s - time.monotonic()
        if left_s > 0:
            self._loop.call_later(left_s, self._closed)
        else:
            self._leaving = asyncio.ensure_future(self._leave())

    async def _leave(self) -> None:
        async with self._acting:
            if not self._watchers:
                await self._end()


def make_application(experiment: str, config: Config, token: str, folder: Path) -> Starlette:
    """The web application.

    Args:
        experiment: Name of the experiment.
        config: Options of the campaign.
        token: First part of every path; who does not know it gets nothing.
        folder: Folder for logs.
    """
    stages: list[Stage] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        stages.append(Stage(experiment, config, folder))
        app.state.stage = stages[0]
        yield
        stages[0].quit()

    async def page(_request: Request) -> Response:
        stages[0].expect_reload()
        return HTMLResponse(await asyncio.to_thread(_page, stages[0].live, config), headers=_HEADERS)

    async def events(_request: Request) -> Response:
        async def stream() -> AsyncIterator[str]:
            # Clients that reconnect replay from the start.
            yield "event: reset\ndata: {}\n\n"
            async with contextlib.aclosing(stages[0].stream_events()) as told:
                async for event in told:
                    yield f"data: {json.dumps(event)}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream", headers=_HEADERS)

    async def act(request: Request) -> Response:
        try:
            await stages[0].act(request.path_params["act"], await _body(request))
        except ValidationError as fault:
            first = fault.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            return JSONResponse({"error": f"{where}: {first['msg']}"}, 422, headers=_HEADERS)
        except (ValueError, UserError) as fault:
            return JSONResponse({"error": str(fault)}, 400, headers=_HEADERS)
        return JSONResponse({}, headers=_HEADERS)

    return Starlette(
        routes=[
            Route(f"/{token}/", page),
            Route(f"/{token}/events", events),
            # A path, since an unknown name with a slash would otherwise be redirected.
            Route(f"/{token}/{{act:path}}", act, methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])],
        lifespan=lifespan,
    )


async def _body(request: Request) -> Any:
    """The JSON of a request. Raises ValueError if it is not JSON, too long, or from another site."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ValueError("request from another site refused")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ValueError("invalid request: send JSON")
    read = b""
    async for part in request.stream():
        read += part
        if len(read) > _MAX_BYTES:
            raise ValueError(f"request is too long: send at most {_MAX_BYTES} bytes")
    try:
        return json.loads(read)
    except (ValueError, RecursionError):
        raise ValueError("invalid request: send JSON") from None


def _page(live: Live, config: Config) -> str:
    one = carbon.impact(1.0, carbon.grid(config.region), config.pue, config.price_usd_per_kwh)
    meta = {
        "choices": live.Choices.model_json_schema(),
        "question": live.Question.model_json_schema(),
        "rules": live.RULES,
        "replays": live.list_replays(),
        "region": config.region,
        "grids": [
            {"region": grid.region, "name": grid.name, "g_per_kwh": grid.intensity_g_per_kwh}
            for grid in carbon.grids()
        ],
        # Of one joule at the meter.
        "impact": {
            "kwh": one.energy_kwh,
            "usd": one.price_usd,
            "household_h": one.household_h,
            "phone_charges": one.energy_kwh / carbon.PHONE_CHARGE_KWH,
        },
        "car_g_per_km": carbon.CAR_G_PER_KM,
    }
    parts = [(_PAGE / f"{name}.js").read_text(encoding="utf-8") for name in ("live", "quiz", "charts")]
    return Template((_PAGE / "live.html").read_text(encoding="utf-8")).substitute(
        meta=json.dumps(meta).replace("</", "<\\/"), app="\n".join([chart_script(), *parts])
    )


class _Server(uvicorn.Server):
    """A server that ends the run at once when it gets a signal, before it waits for clients."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        stage = getattr(self.config.app.state, "stage", None)  # type: ignore[union-attr]
        if stage is not None:
            stage.quit()
        super().handle_exit(sig, frame)


def _bind(port: int) -> socket.socket:
    """A socket on a port. Raises UserError where it cannot be opened; uvicorn would print its own error."""
    try:
        return socket.create_server((HOST, port))
    except PermissionError:
        raise UserError(f"port {port} is reserved for administrators: use 1024 to 65535, or 0") from None
    except OSError as fault:
        if fault.errno != errno.EADDRINUSE:
            raise
        raise UserError(f"port {port} is in use: choose another, or 0 for any free port") from None


def serve(experiment: str, config: Config, port: int, *, opens_browser: bool) -> None:
    """Serves the page until interrupted, and prints its URL.

    Args:
        experiment: Name of the experiment.
        config: Options of the campaign.
        port: Port on the loopback address; 0 for any free port.
        opens_browser: Open the page in a browser.

    Raises:
        UserError: If the port is in use or reserved.
    """
    # Takes seconds; import it before the first visitor comes.
    importlib.import_module(f"experiments.{experiment}.live")
    token = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="joules-live-") as folder:
        settings = uvicorn.Config(
            make_application(experiment, config, token, Path(folder)),
            host=HOST,
            port=port,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        server = _Server(settings)
        # Clients that connect before the server runs will wait.
        bound = _bind(port)
        address = f"http://{HOST}:{bound.getsockname()[1]}/{token}/"
        print(f"open {address} (Ctrl-C to stop)", flush=True)
        if opens_browser:
            webbrowser.open(address)
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[bound])
