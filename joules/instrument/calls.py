"""Opens a window around each call of a function, whatever its call returns."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


class OpensTwoWays(AbstractContextManager[Any], AbstractAsyncContextManager[Any], Protocol):
    """What opens in a `with` and in an `async with` statement."""


def wrap_calls(function: Function, make_window: Callable[[], OpensTwoWays]) -> Function:
    """A function that opens a new window around each call of `function`.

    Args:
        function: A function, a coroutine function or a generator function, asynchronous or not. If it returns
            an awaitable, the window closes when that has been awaited.
        make_window: Makes a window.
    """

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        with contextlib.ExitStack() as opened:
            opened.enter_context(make_window())
            result = function(*arguments, **options)
            return _finish(result, opened.pop_all()) if inspect.isawaitable(result) else result

    @functools.wraps(function)
    async def call_coroutine(*arguments: Any, **options: Any) -> Any:
        async with make_window():
            return await function(*arguments, **options)

    @functools.wraps(function)
    def generate(*arguments: Any, **options: Any) -> Iterator[Any]:
        with make_window():
            return (yield from function(*arguments, **options))

    @functools.wraps(function)
    async def generate_coroutine(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
        async with make_window(), contextlib.aclosing(function(*arguments, **options)) as items:
            async for item in items:
                yield item

    kinds: tuple[tuple[Callable[[object], bool], Callable[..., Any]], ...] = (
        (inspect.iscoroutinefunction, call_coroutine),
        (inspect.isasyncgenfunction, generate_coroutine),
        (inspect.isgeneratorfunction, generate),
    )
    return cast(Function, next((wrapper for is_kind, wrapper in kinds if is_kind(function)), call))


def name_of(function: Callable[..., Any]) -> str:
    """Name of a function, for windows."""
    return str(getattr(function, "__qualname__", "function"))


async def _finish(result: Awaitable[Any], opened: contextlib.ExitStack) -> Any:
    with opened:
        return await result
