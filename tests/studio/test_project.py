"""The studio's folder and its plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechtune.errors import ConfigError
from speechtune.studio.project import Plan, changed_plan, open_project, read_plan, write_plan
from speechtune.studio.readiness import obstacles


def test_a_plan_is_kept_and_a_new_studio_takes_the_commands_of_its_data(tmp_path: Path) -> None:
    project = open_project(tmp_path / "new" / "studio")
    assert read_plan(project, ("_unknown_", "yes")) == Plan(commands=("yes",))
    plan = changed_plan(Plan(), {"add": ["lights on", "불 켜"], "takes": 3, "speaker": "ann"})
    write_plan(project, plan)
    assert read_plan(project, ("yes",)) == plan
    project.plan_file.write_text("{")
    with pytest.raises(ConfigError, match=r"plan\.json: is not what a studio writes"):
        read_plan(project, ())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"add": ["../up"]}, "may not start with a dot"),
        ({"add": ["_unknown_"]}, "reserved"),
        ({"add": "yes"}, "name commands"),
        ({"remove": 1}, "name commands"),
        ({"takes": 0}, "takes:"),
        ({"other": 1}, "other:"),
    ],
)
def test_a_plan_that_cannot_be_recorded_is_refused_in_words(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        changed_plan(Plan(), change)


def test_a_change_leaves_what_it_does_not_name() -> None:
    plan = changed_plan(Plan(commands=("yes",), takes=3), {"add": ["no", "yes"]})
    assert plan == Plan(commands=("yes", "no"), takes=3)
    assert changed_plan(plan, {"remove": "yes", "takes": 4}) == Plan(commands=("no",), takes=4)


def test_a_folder_of_clips_or_a_model_is_no_studio(tmp_path: Path) -> None:
    for name, option in (("manifest.jsonl", "--clips"), ("checkpoint.json", "--model")):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_text("")
        with pytest.raises(ConfigError, match=option):
            open_project(folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        open_project(tmp_path / "file" / "studio")


def test_what_a_training_lacks_is_said_in_order() -> None:
    def kinds(plan: Plan, **clips: int) -> list[tuple[str, str | None]]:
        return [(one.kind, one.label) for one in obstacles(plan, clips)]

    two = Plan(commands=("yes", "no"))
    assert kinds(Plan()) == [("no_commands", None)]
    assert kinds(two, no=1) == [("no_takes", "yes")]
    assert kinds(Plan(commands=("yes",)), yes=1) == [("too_few_takes", "yes")]
    assert kinds(two, yes=1, no=1) == []
