"""The studio's folder: where clips, model, tries and report lie, and what is to be recorded.

::

    clips/        the data folder, as `speechtune record` makes it
    model/        the checkpoint, as `speechtune finetune` makes it
    aside/        takes that are not in the data folder: faulty ones, and those that were removed
    tried/        what fired or nearly did while the model was tried, as `speechtune serve --keep-hits` keeps it
    report/       the evaluation on the clips that are held back for the test
    plan.json     what is to be recorded
    trained.json  what the last training said
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from speechtune.data.sets.manifest import MANIFEST_NAME
from speechtune.errors import ConfigError
from speechtune.labels import RESERVED
from speechtune.names import composed
from speechtune.record.prompts import OTHER_WORDS, RecordingPlan
from speechtune.whole_files import why_not_writable, write_whole

_Count = Annotated[int, Field(ge=0, le=200)]


class Plan(BaseModel):
    """What is to be recorded, in all.

    Attributes:
        commands: what to say, each a label.
        takes: of each command.
        other_words: how many other words, one take each.
        background: how many recordings in which nobody speaks.
        speaker: who speaks; "": not known.
        room: where; "": not known.

    Raises:
        ConfigError: on `recording`, as for `RecordingPlan`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    commands: Annotated[tuple[str, ...], Field(max_length=200)] = ()
    takes: Annotated[int, Field(ge=1, le=200)] = 5
    other_words: Annotated[int, Field(ge=0, le=len(OTHER_WORDS))] = 5
    background: _Count = 1
    speaker: Annotated[str, Field(max_length=64)] = ""
    room: Annotated[str, Field(max_length=64)] = ""

    @property
    def recording(self) -> RecordingPlan | None:
        """The same as a recorder takes it; None: there is nothing to record."""
        if not self.commands and not self.other_words and not self.background:
            return None
        return RecordingPlan(self.commands, self.takes, self.other_words, self.background)


@dataclass(frozen=True)
class Project:
    """Where everything of one studio lies.

    Attributes:
        folder: of the studio.
        clips: the data folder.
        model: the checkpoint's folder.
    """

    folder: Path
    clips: Path
    model: Path

    @property
    def aside(self) -> Path:
        """Folder of the takes that are set aside."""
        return self.folder / "aside"

    @property
    def tried(self) -> Path:
        """Folder of what was heard while the model was tried."""
        return self.folder / "tried"

    @property
    def report(self) -> Path:
        """Folder of the evaluation."""
        return self.folder / "report"

    @property
    def plan_file(self) -> Path:
        """What is to be recorded."""
        return self.folder / "plan.json"

    @property
    def trained_file(self) -> Path:
        """What the last training said."""
        return self.folder / "trained.json"


def open_project(folder: Path, clips: Path | None = None, model: Path | None = None) -> Project:
    """The studio in `folder`, which is made if need be.

    Args:
        folder: of the studio.
        clips: the data folder. Defaults to `clips` in `folder`.
        model: the checkpoint's folder. Defaults to `model` in `folder`.

    Raises:
        ConfigError: it cannot be made, or it is itself a data folder or a checkpoint.
    """
    if (folder / MANIFEST_NAME).is_file():
        raise ConfigError(
            f"{folder}: holds clips itself; name a folder for the studio, and this one with --clips {folder}"
        )
    if (folder / "checkpoint.json").is_file():
        raise ConfigError(
            f"{folder}: is a checkpoint; name a folder for the studio, and this one with --model {folder}"
        )
    if reason := why_not_writable(folder):
        raise ConfigError(f"studio {folder}: cannot be made or written ({reason}); name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"studio {folder}: cannot be made ({error.strerror}); name another folder") from error
    return Project(folder, clips or folder / "clips", model or folder / "model")


def read_plan(project: Project, labels: tuple[str, ...]) -> Plan:
    """What is to be recorded; in a new studio, the commands that the data folder's `labels` name.

    Raises:
        ConfigError: the file is not what a studio writes.
    """
    path = project.plan_file
    if not path.is_file():
        return Plan(commands=tuple(label for label in labels if label not in RESERVED))
    try:
        return Plan.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(f"{path}: is not what a studio writes ({error}); mend or remove it") from error


def changed_plan(plan: Plan, change: Mapping[str, Any]) -> Plan:
    """The plan with what the page changes of it: fields by their names, commands to `add`, and one to `remove`.

    Two pages that change different things at once both get what they want.

    Raises:
        ConfigError: it cannot be recorded; the message says what of it.
    """
    content = {**plan.model_dump(), **change}
    added, removed = content.pop("add", []), content.pop("remove", None)
    if not isinstance(added, list) or not all(isinstance(one, str) for one in (*added, removed or "")):
        raise ConfigError("add, remove: name commands")
    commands = [one for one in (*content["commands"], *map(composed, added)) if one != removed]
    try:
        changed = Plan.model_validate({**content, "commands": tuple(dict.fromkeys(commands))})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "plan"
        raise ConfigError(f"{where}: {first['msg']}") from error
    recording = changed.recording
    return changed if recording is None else changed.model_copy(update={"commands": recording.commands})


def write_plan(project: Project, plan: Plan) -> None:
    """Keep what is to be recorded.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        write_whole(project.plan_file, plan.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise ConfigError(f"{project.plan_file}: cannot be written ({error.strerror or error})") from error
