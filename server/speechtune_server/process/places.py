"""Places that are too few for everybody: a share for each client, and who says nothing gives way to who speaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from speechtune.errors import ServiceOverloadedError

_LEAST_SHARE = 4


def share_of(limit: int) -> int:
    """How many of `limit` places one client may take by default: three quarters, of a few all.

    >>> share_of(64), share_of(2)
    (48, 2)
    """
    return max(limit * 3 // 4, min(limit, _LEAST_SHARE))


class Place:
    """A place that somebody holds.

    Attributes:
        client: whose it is.
        patience_seconds: how long its holder may say nothing before others may have it.
        give_up: called when it was given to somebody else; its holder must end soon.
        is_given_up: whether that has happened.
    """

    def __init__(self, client: str, now: float, patience_seconds: float, give_up: Callable[[], object]) -> None:
        self.client = client
        self.patience_seconds = patience_seconds
        self.give_up = give_up
        self.is_given_up = False
        self.heard_at = now


class Places:
    """So many places, and fewer for one client.

    Args:
        what: that they are for, in the plural, as messages name it.
        limit: how many there are.
        per_client: how many one client may hold.
        now: tells the time, in seconds.
    """

    def __init__(self, what: str, limit: int, per_client: int, now: Callable[[], float]) -> None:
        self._what = what
        self.allow(limit, per_client)
        self._now = now
        self._held: dict[Place, None] = {}
        self._num_of: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    def allow(self, limit: int, per_client: int) -> None:
        """Have another number of places from now on; nobody loses one that they hold."""
        self._limit = limit
        self._per_client = min(per_client, limit)

    def take(self, client: str, patience_seconds: float, give_up: Callable[[], object]) -> Place:
        """Take a place; where there is none, that of somebody who has said nothing for longer than they may.

        Raises:
            ServiceOverloadedError: there is none.
        """
        if self._num_of[client] >= self._per_client:
            self._free_one([client], f"this client has {self._per_client} {self._what}, which is its limit; end one")
        elif len(self._held) >= self._limit:
            # Of the client that has the most first.
            clients = [client for client, _ in self._num_of.most_common()]
            self._free_one(clients, f"{self._limit} {self._what} are at work, which is the limit; try again later")
        place = Place(client, self._now(), patience_seconds, give_up)
        self._held[place] = None
        self._num_of[client] += 1
        return place

    def heard(self, place: Place) -> None:
        """The holder has said something."""
        place.heard_at = self._now()

    def leave(self, place: Place) -> None:
        """Give a place back; one that was given up already is nobody's."""
        if place in self._held:
            del self._held[place]
            self._num_of[place.client] -= 1
            self._num_of += Counter()  # forgets who has none

    def _free_one(self, clients: list[str], refusal: str) -> None:
        now = self._now()
        for client in clients:
            quiet = [
                place
                for place in self._held
                if place.client == client and now - place.heard_at > place.patience_seconds
            ]
            if quiet:
                place = min(quiet, key=lambda place: place.heard_at)
                self.leave(place)
                place.is_given_up = True
                place.give_up()
                return
        raise ServiceOverloadedError(refusal)
