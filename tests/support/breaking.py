"""A client of a server whose connections break."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from speechtune_client import CommandClient
from speechtune_client.errors import UnavailableError


class BreakingClient:
    """Streams by `client`; its connections break after so many events each, as `breaks` says, and then they hold.

    Attributes:
        offsets: what each connection asked to go on from.
    """

    def __init__(self, client: CommandClient, breaks: Iterable[int]) -> None:
        self._client, self._breaks = client, iter(breaks)
        self.offsets: list[Any] = []

    @property
    def num_connections(self) -> int:
        """Connections so far."""
        return len(self.offsets)

    def stream(self, chunks: Iterable[bytes], **settings: Any) -> Iterator[Any]:
        """As `CommandClient.stream`, until it breaks."""
        self.offsets.append(settings.get("resume_offset"))
        num_events = next(self._breaks, None)
        events = self._client.stream(chunks, **settings)
        for number, event in enumerate(events):
            if number == num_events:
                events.close()
                raise UnavailableError("UNAVAILABLE", "it broke")
            yield event
