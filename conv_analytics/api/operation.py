"""Methods of the clients, declared once: an endpoint function becomes a blocking and an async method.

`operation` makes a descriptor. On a client it is a callable with the endpoint's name, documentation and parameters, so
that tab completion and ``?`` in Jupyter show them; on the class it is the endpoint function itself.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from conv_analytics.resources.endpoint import Call, Listing

P = ParamSpec("P")
T = TypeVar("T")


class BlockingClient(Protocol):
    """A client that waits for responses."""

    def fetch(self, call: Call[T]) -> T:
        """Carry out a call."""

    def items(self, listing: Listing[T]) -> Iterator[T]:
        """Iterate over a listing."""


class AsyncClient(Protocol):
    """A client on an event loop."""

    def fetch(self, call: Call[T]) -> Coroutine[Any, Any, T]:
        """Carry out a call."""

    def items(self, listing: Listing[T]) -> AsyncIterator[T]:
        """Iterate over a listing."""


class CallOperation(Generic[P, T]):
    """A method that carries out a `Call`."""

    def __init__(self, endpoint: Callable[P, Call[T]]) -> None:
        self.endpoint = endpoint
        self.__doc__ = endpoint.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Callable[P, Call[T]]: ...
    @overload
    def __get__(self, client: BlockingClient, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncClient, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return self.endpoint if client is None else _bound(self.endpoint, client.fetch, client.returns_call)


class ListingOperation(Generic[P, T]):
    """A method that iterates over a `Listing`."""

    def __init__(self, endpoint: Callable[P, Listing[T]]) -> None:
        self.endpoint = endpoint
        self.__doc__ = endpoint.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Callable[P, Listing[T]]: ...
    @overload
    def __get__(self, client: BlockingClient, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: AsyncClient, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return self.endpoint if client is None else _bound(self.endpoint, client.items, client.returns_items)


@overload
def operation(endpoint: Callable[P, Call[T]]) -> CallOperation[P, T]: ...
@overload
def operation(endpoint: Callable[P, Listing[T]]) -> ListingOperation[P, T]: ...
def operation(endpoint: Callable[..., Any]) -> Any:
    """Declare a method of both clients from an endpoint function."""
    listing = str(inspect.signature(endpoint).return_annotation).startswith("Listing")
    return ListingOperation(endpoint) if listing else CallOperation(endpoint)


def _bound(endpoint: Callable[..., Any], run: Callable[[Any], Any], returns: str) -> Callable[..., Any]:
    def method(*args: Any, **kwargs: Any) -> Any:
        return run(endpoint(*args, **kwargs))

    functools.update_wrapper(method, endpoint)
    method.__signature__ = _signature(endpoint, returns)  # type: ignore[attr-defined]  # what inspect and Jupyter read
    return method


@functools.cache
def _signature(endpoint: Callable[..., Any], returns: str) -> inspect.Signature:
    signature = inspect.signature(endpoint)
    inner = re.sub(r"^(Call|Listing)\[(.*)\]$", r"\2", str(signature.return_annotation))
    return signature.replace(return_annotation=returns.format(inner))
