"""One endless stream over many connections: what to send again, and which events are new. No IO, no clock.

Everything the server may not have decided yet is kept, and sent again after a break, with what leads to it: from the
last place whose listening state the server has told, and events are then those of an unbroken stream; where that place
is not held any more, or the server tells no states, from the beginning of the speech that is open, or else from the
last place that is confirmed, and event ids and offsets may then differ a little. Positions are bytes of the stream's
audio; offsets are seconds from its first byte, whichever connection an event comes by.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Iterator

from speechtune_client.errors import ClientError
from speechtune_client.events import (
    Detection,
    Ended,
    Heartbeat,
    Interim,
    Rejected,
    SpeechActivity,
    Started,
    StreamEvent,
)
from speechtune_client.messages import unknown_settings
from speechtune_client.pacing import FILE_ENCODINGS, MODEL_RATE_HZ, PACING_INTERVAL_MS, bytes_per_second, resume_step
from speechtune_client.settings import CommandRule, Order, Reset, StreamSettings, UpdateCommands
from speechtune_client.shown import Repeats, WantedBeats, models_refractory_ms, refractory_ms, resumed

DEFAULT_REPLAY_SECONDS = 30.0

_SAME_SECONDS = 0.1
_STATE_SETTINGS = frozenset({"listening_states", "resume_state"})

LEAST_REPLAY_SECONDS = 4.0

_LEAD_SECONDS = 1.0
"""At least, before what is undecided, so that a server hears it in the same surroundings as the first time."""
_FRAMES_SECONDS = 0.064
"""Two frames of the model: one that a voice begins in, one that is not heard to its end."""
_PIECE_SECONDS = 0.5
_UNCONFIRMED_SECONDS = 0.75
"""How far the source may run ahead of a heartbeat: three times their interval, for they tell of whole frames only."""

_STALE_BEATS = 20
"""A server that sends states sends one before so many heartbeats have come while nobody speaks."""


class OvertakenError(Exception):
    """A connection was so long in coming that the audio it was to begin with had to go."""


class ReplayRoom:
    """The room of one stream: the audio that leads to what is undecided, open speech, and what is not confirmed yet.

    The first two must leave room for the last, or the source would wait for a server that waits for it.

    Args:
        settings: of the stream.
        replay_seconds: audio kept at most.

    Raises:
        ValueError: less than four seconds.

    Attributes:
        capacity: of all that is kept.
        piece: what is taken from the source at once, and kept together.
        step: between places where a connection may begin.
    """

    def __init__(self, settings: StreamSettings, replay_seconds: float) -> None:
        if not replay_seconds >= LEAST_REPLAY_SECONDS:
            raise ValueError(f"replay_seconds {replay_seconds!r}: give at least {LEAST_REPLAY_SECONDS:g}")
        self.rate = bytes_per_second(settings)
        self.step = resume_step(settings)
        self.capacity = int(replay_seconds * self.rate)
        self.piece = max(int(self.rate * _PIECE_SECONDS), 1)
        self._lead_seconds = _LEAD_SECONDS

    def follow(self, started: Started) -> None:
        """Take over what the server does with its settings.

        Speech it has not told of yet may have begun so long ago as it takes to be speech, and begins earlier by the
        preroll; its window may reach half of its length before that.
        """
        endpointing = started.endpointing
        unheard_ms = (endpointing.min_speech_ms or 0) + (endpointing.preroll_ms or 0)
        self._lead_seconds = max(_LEAD_SECONDS, unheard_ms / 1000 + started.window / 2 + _FRAMES_SECONDS)

    @property
    def lead(self) -> int:
        """Audio that is sent again before what is undecided; open speech has as much room."""
        return int(min(self._lead_seconds * self.rate, self._kept / 2))

    @property
    def open_seconds(self) -> float:
        """Speech that goes on and on must not fill the room: it is decided window by window."""
        return min(self.capacity / 2, self._kept - self.lead) / self.rate

    @property
    def _kept(self) -> float:
        """The room for what a server has heard already."""
        return self.capacity - self.piece - self.step - _UNCONFIRMED_SECONDS * self.rate


class LastState:
    """The last listening state that a server has sent, from where a new connection hears on as if none had broken.

    Attributes:
        content: what the server is given back; empty: there is none.
        seconds: its place, as offsets count.
    """

    def __init__(self) -> None:
        self.content = b""
        self.seconds = 0.0
        self._num_without = 0

    def hear(self, beat: Heartbeat, is_open: bool) -> None:
        """Take note of a heartbeat; `is_open`: speech goes on, in which there are no states."""
        if beat.listening_state and beat.listening_state_offset is not None:
            self.content, self.seconds, self._num_without = beat.listening_state, beat.listening_state_offset, 0
        elif not is_open and beat.ends_within is None:
            self._num_without += 1
            if self._num_without > _STALE_BEATS:
                self.forget()

    def forget(self) -> None:
        """Go on without it: the audio before its place is not held any more, or the server sends none."""
        self.content = b""

    def before(self, seconds: float) -> float:
        """Where a connection must hear on that would otherwise do so at `seconds`."""
        return min(seconds, self.seconds) if self.content else seconds


class Replay:
    """What one endless stream must remember.

    Args:
        settings: of the stream; its resume offset is where it begins.
        replay_seconds: audio kept at most; what is older when a connection comes back is lost.

    Raises:
        ValueError: less than four seconds, or audio that is not raw.
    """

    def __init__(self, settings: StreamSettings, replay_seconds: float = DEFAULT_REPLAY_SECONDS) -> None:
        self._room = ReplayRoom(settings, replay_seconds)
        if settings.get("encoding", "LINEAR16").upper() in FILE_ENCODINGS:
            raise ValueError("listen: a file cannot be sent again from its middle; send raw audio")
        self.is_ended = False
        """Whether the source gives no more."""
        self._settings = settings
        self._origin = settings.get("resume_offset", 0.0)
        self._commands: Iterable[str | CommandRule] = tuple(settings.get("commands", ()))
        self._session_id = settings.get("session_id", "")
        # Pieces of the stream, each with its place, numbered on from `_first_number`; `_next_number` is sent next.
        self._pieces: deque[tuple[int, bytearray | Order]] = deque()
        self._first_number = self._next_number = 0
        self._skip = self._end = 0
        self._is_overtaken = False
        self._num_connections = 0
        self._is_begun = False
        self._lost_seconds = 0.0
        self._latest = self._confirmed = self._confirmed_before = self._origin
        self._last_end = self._ended_before = self._last_rejection = self._rejected_before = self._origin
        self._last_start = self._started_before = -math.inf
        self._closing_at: float | None = None
        self._open_since: float | None = None
        self._open_before: float | None = None
        self._beats = WantedBeats(settings)
        self._state, self._followed_until = LastState(), 0
        self._repeats = Repeats()
        self._default_refractory_ms = 0
        self._models_refractory_ms: dict[str, int] = {}
        self._asks_states = True

    @property
    def is_full(self) -> bool:
        """Whether another part would push some out that is not confirmed."""
        return self._end - self._first_needed() > self._room.capacity - self._room.piece

    @property
    def is_drained(self) -> bool:
        """Whether the source gives no more, and this connection was given all of it."""
        return self.is_ended and self._next_number >= self._first_number + len(self._pieces)

    def parts(self, chunk: bytes | Order) -> Iterator[bytes | Order]:
        """A chunk in parts, before each of which there must be room."""
        if not isinstance(chunk, bytes):
            yield chunk
            return
        for start in range(0, len(chunk), self._room.piece):
            yield chunk[start : start + self._room.piece]

    def put(self, part: bytes | Order) -> None:
        """Add one of the `parts`; the oldest audio goes where there is no room."""
        if not isinstance(part, bytes):
            self._pieces.append((self._end, part))
            if isinstance(part, Reset):
                self._repeats.reset(self._end * MODEL_RATE_HZ // self._room.rate)
            return
        while part:
            piece = self._piece_with_room()
            fitting = part[: self._room.piece - len(piece)]
            piece += fitting
            self._end += len(fitting)
            part = part[len(fitting) :]
        self._forget()

    def connect(self) -> StreamSettings:
        """Begin another connection; gives its settings, `take` what it is to send."""
        self._num_connections += 1
        self._repeats.connect()
        held = self._pieces[0][0] if self._pieces else self._end
        state_place = self._place_of(self._state.seconds)
        if -(-held // self._room.step) * self._room.step > self._lead_to(state_place) or state_place > self._end:
            self._state.forget()
        wanted = self._first_needed() if self._num_connections > 1 else 0
        start = min(-(-max(wanted, held) // self._room.step) * self._room.step, self._end)
        self._lost_seconds = max(held - self._undecided(), 0) / self._room.rate
        self._confirmed_before, self._open_before = self._confirmed, self._open_since
        self._started_before = self._last_start
        self._ended_before, self._rejected_before = self._last_end, self._last_rejection
        self._latest, self._is_overtaken = 0.0, False
        self._next_number = self._number_at(start)
        self._followed_until = state_place if self._state.content else start
        for place, piece in self._pieces:
            if place < self._followed_until:
                self._keep_commands(piece)
        settings: StreamSettings = {**self._settings, "commands": self._commands, "speech_activity": True}
        settings |= {"session_id": self._session_id}
        if self._asks_states:
            settings |= {"listening_states": True, "resume_state": self._state.content}
        settings["heartbeat_interval_ms"] = PACING_INTERVAL_MS  # they confirm what is decided
        settings["resume_offset"] = self._origin + start / self._room.rate
        return settings

    def can_go_without(self, refusal: ClientError) -> bool:
        """Whether the server is only older than what was asked of it; the next `connect` then asks for less.

        An older server knows no listening states, and refuses what it does not know.
        """
        if not self._asks_states or not unknown_settings(refusal) & _STATE_SETTINGS:
            return False
        self._asks_states = False
        self._state.forget()
        self._num_connections -= 1  # it was none
        return True

    def take(self) -> bytes | Order | None:
        """What this connection is to send next; None: nothing for now.

        Raises:
            OvertakenError: what it was to send next is not held any more; only another connection helps.
        """
        if self._is_overtaken:
            raise OvertakenError
        while (index := self._next_number - self._first_number) < len(self._pieces):
            self._next_number += 1
            skip, self._skip = self._skip, 0
            place, piece = self._pieces[index]
            if isinstance(piece, bytearray):
                return bytes(piece[skip:])
            if place >= self._followed_until:
                return piece
        return None

    def heard(self, event: StreamEvent) -> StreamEvent | None:
        """Take note of an event; gives it as the user is to see it, or None if it was seen before."""
        self._confirm(event)
        shown = self._shown(event)
        if isinstance(event, SpeechActivity):
            self._follow_speech(event)
        elif isinstance(event, Rejected):
            self._last_rejection = max(self._last_rejection, event.decision_offset)
        elif isinstance(event, Heartbeat):
            self._state.hear(event, self._open_since is not None)
        self._forget()
        return shown

    def _confirm(self, event: StreamEvent) -> None:
        """What the server has listened to is confirmed once all events of it are here."""
        processed = event.audio_processed or 0.0
        if isinstance(event, Heartbeat | Ended):
            self._confirmed = max(self._confirmed, processed)
        elif processed > self._latest:
            self._confirmed = max(self._confirmed, self._latest)
        self._latest = max(self._latest, processed)
        if self._closing_at is not None and self._confirmed >= self._closing_at:
            self._open_since = self._closing_at = None

    def _follow_speech(self, event: SpeechActivity) -> None:
        if event.kind == "SPEECH_STARTED":
            self._last_start = max(self._last_start, event.start_offset)
            # What ended before may still be undecided.
            self._open_since = event.start_offset if self._closing_at is None else self._open_since
            self._closing_at = None
        else:
            self._closing_at = event.decision_offset
            self._last_end = max(self._last_end, event.end_offset or 0.0)

    def _shown(self, event: StreamEvent) -> StreamEvent | None:
        if isinstance(event, Started):
            self._session_id = event.session_id
            self._default_refractory_ms = event.detector.refractory_ms or 0
            self._models_refractory_ms = models_refractory_ms(event, self._commands)
            self._room.follow(event)
            is_first, self._is_begun = not self._is_begun, True
            return event if is_first else resumed(event, self._lost_seconds)
        if isinstance(event, Detection):
            return self._shown_detection(event)
        return event if self._is_new(event) else None

    def _is_new(self, event: StreamEvent) -> bool:
        if isinstance(event, Heartbeat):
            return event.ends_within is not None or self._beats.is_wanted(event)
        if isinstance(event, Interim):
            return self._num_connections == 1 or event.end_offset > self._confirmed_before
        if isinstance(event, Rejected):
            is_again = event.decision_offset <= self._rejected_before + _SAME_SECONDS
            return not is_again and self._is_undecided(event.start_offset, event.decision_offset)
        if isinstance(event, SpeechActivity):
            return self._settings.get("speech_activity", False) and self._is_new_activity(event)
        return True

    def _shown_detection(self, event: Detection) -> Detection | None:
        if not self._is_undecided(event.start_offset, event.decision_offset):
            return None
        sample = round((event.decision_offset - self._origin) * MODEL_RATE_HZ)
        if not self._repeats.is_new(event, sample):
            return None
        self._repeats.show(event, sample, self._refractory_ms(event))
        # As one connection from the first byte on would have called it.
        return dataclasses.replace(event, event_id=f"{sample}-{event.label}")

    def _refractory_ms(self, event: Detection) -> int:
        """Of the keyword, by the rules in force where it was decided."""
        commands = self._commands
        for place, piece in self._pieces:
            if isinstance(piece, UpdateCommands) and place < (event.decision_offset - self._origin) * self._room.rate:
                commands = piece.commands
        default_ms = self._models_refractory_ms.get(event.label, self._default_refractory_ms)
        return refractory_ms(event.label, commands, default_ms)

    def _is_undecided(self, start: float, decision: float) -> bool:
        """Whether the last connections cannot have decided this."""
        is_later = self._num_connections == 1 or decision > self._confirmed_before
        return is_later or (self._open_before is not None and start >= self._open_before - _SAME_SECONDS)

    def _is_new_activity(self, event: SpeechActivity) -> bool:
        if event.kind == "SPEECH_STARTED":
            is_again = event.start_offset <= self._started_before + _SAME_SECONDS
            return self._num_connections == 1 or (
                not is_again and event.start_offset >= self._ended_before - _SAME_SECONDS
            )
        return self._num_connections == 1 or (event.end_offset or 0.0) > self._ended_before + _SAME_SECONDS

    def _piece_with_room(self) -> bytearray:
        """The last piece, or a new one: single bytes must not cost what seconds do."""
        last = self._pieces[-1][1] if self._pieces else None
        if not isinstance(last, bytearray) or len(last) >= self._room.piece:
            last = bytearray()
            self._pieces.append((self._end, last))
        elif self._next_number == self._first_number + len(self._pieces):  # it was taken: its rest is not
            self._next_number -= 1
            self._skip = len(last)
        return last

    def _undecided(self) -> int:
        """The place from which on the server may have decided nothing yet."""
        since = self._confirmed if self._open_since is None else min(self._confirmed, self._open_since)
        since = max(self._state.before(since), self._confirmed - self._room.open_seconds)
        return self._place_of(since)

    def _place_of(self, seconds: float) -> int:
        return max(round((seconds - self._origin) * self._room.rate), 0)

    def _first_needed(self) -> int:
        """Where a new connection would begin."""
        return self._lead_to(self._undecided())

    def _lead_to(self, place: int) -> int:
        return max((place - self._room.lead) // self._room.step * self._room.step, 0)

    def _number_at(self, start: int) -> int:
        """Of the piece that holds the byte at `start`; sets what of it is to be skipped."""
        for index, (place, piece) in enumerate(self._pieces):
            if isinstance(piece, bytearray) and place + len(piece) > start:
                self._skip = max(start - place, 0)
                return self._first_number + index
        self._skip = 0
        return self._first_number + len(self._pieces)

    def _forget(self) -> None:
        """Drop what is not needed any more, and what there is no room for."""
        needed = max(self._first_needed(), self._end - self._room.capacity)
        while self._pieces:
            place, piece = self._pieces[0]
            if place + (len(piece) if isinstance(piece, bytearray) else 0) > needed:
                return
            self._keep_commands(piece)
            self._pieces.popleft()
            self._first_number += 1
            if self._next_number < self._first_number:
                self._next_number, self._is_overtaken = self._first_number, True

    def _keep_commands(self, piece: bytearray | Order) -> None:
        if isinstance(piece, UpdateCommands):
            self._commands = piece.commands
