"""Figures of the README stand on a page of figures, and figures that come from the code are those of the code."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from typing import Any

import pytest

from speechtune.evaluation.clips.metrics import metrics_schema
from speechtune.evaluation.streams.metrics import stream_metrics_schema
from tests.support.documents import DOCS, Page, page, pages
from tests.support.speech import REPOSITORY

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\d)")


def figures_of(name: str) -> list[list[str]]:
    """The numbers of every row of the README's table of figures."""
    _, _, after = page(name).text.partition("<!-- picture: accuracy over clips of each command, beside rivals -->")
    table = next(part for part in after.split("\n\n") if part.startswith("|"))
    return [NUMBER.findall(row.split("|")[2]) for row in table.splitlines()[2:]]


@cache
def constants() -> dict[str, Any]:
    """Every literal at the top of a module of ours, by its name."""
    found = {}
    for path in (REPOSITORY / "speechtune").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets):
                names, values = [target.id for target in node.targets if isinstance(target, ast.Name)], [node.value]
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
                names = [ast.unparse(target) for target in node.targets[0].elts]
                values = node.value.elts if isinstance(node.value, ast.Tuple) else []
            else:
                continue
            for name, value in zip(names, values, strict=False):
                try:
                    found[name] = ast.literal_eval(value)
                except ValueError:
                    continue
    return found


def test_every_figure_of_the_readme_stands_beside_its_command() -> None:
    told = set(NUMBER.findall(" ".join(one.text for one in pages() if one.path.parent == DOCS / "figures")))
    rows = figures_of("README.md")
    assert len(rows) >= 4
    assert all(set(row) <= told for row in rows)


def test_figures_are_the_same_in_korean() -> None:
    assert figures_of("README.ko.md") == figures_of("README.md")


FIGURES = [one for one in pages() if one.path.parent == DOCS / "figures" and one.path.name != "index.md"]


@pytest.mark.parametrize("page", FIGURES, ids=lambda page: page.name)
def test_a_page_of_figures_has_its_commands_and_says_how_old_it_is(page: Page) -> None:
    assert any(block.command_lines for block in page.blocks)
    assert re.search(r"Measured |Older than|at commit|<!-- talk table -->", page.text)
    assert page.path.name in (DOCS / "figures" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "constant", "text"),
    [
        ("docs/reference/report-figures.md", "NUM_RESAMPLES", "{:,} times"),
        ("docs/reference/report-figures.md", "NUM_BINS", "{} equally wide bins"),
        ("docs/reference/report-figures.md", "MAX_CLIPS_PER_LABEL", "up to {} clips of each label"),
        ("docs/reference/report-figures.md", "FEW_SPEAKERS", "fewer than {} speakers"),
        ("docs/concepts/open-set.md", "EXCESS_OF_HELD_OUT_WORDS", "divided by {:g}"),
        ("docs/how-to/thresholds-and-rooms.md", "DEFAULT_MOST", "the {} strongest stretches"),
        ("docs/concepts/few-clips.md", "DOUBT", "between {0[0]} and {0[1]}"),
        ("docs/concepts/streams.md", "MAX_GAIN_DB", "at most {:g} dB"),
        ("docs/concepts/streams.md", "TARGET_DBFS", "{:g} dBFS"),
    ],
)
def test_a_number_of_the_code_is_told_as_it_is(name: str, constant: str, text: str) -> None:
    assert text.format(constants()[constant]) in " ".join(page(name).text.split())


def test_the_background_speech_is_counted_right() -> None:
    (path,) = (REPOSITORY / "speechtune").rglob("speech.json")
    count = len(json.loads(path.read_text(encoding="utf-8")))
    named = [one for one in pages() if "stretches of synthesised talk" in " ".join(one.text.split())]
    assert len(named) >= 2
    assert all(f"{count} stretches" in " ".join(one.text.split()) for one in named)


def test_the_figures_that_are_defined_are_those_of_the_files() -> None:
    schemas = (metrics_schema(), stream_metrics_schema())
    keys = set[str]()
    for schema in schemas:
        keys |= set(schema["properties"]).union(*(part["properties"] for part in schema["$defs"].values()))
    rows = re.findall(r"^\| `([a-z_0-9]+)` \|", page("docs/reference/report-figures.md").text, flags=re.MULTILINE)
    assert rows
    assert set(rows) <= keys
    headlines = {key for key in schemas[0]["properties"] if key.endswith(("accuracy", "_f1", "_rate", "_error"))}
    assert headlines | {"detection_rate_at_far", "detection_rate_at_far_unseen"} <= set(rows)
