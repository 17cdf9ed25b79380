"""Korean pages have the structure and the command lines of the English ones, and Korean commands are labels."""

from __future__ import annotations

import re
import shlex

import pytest

from speechtune.labels import check_label
from tests.support.documents import Page, commands, page

PAIRS = [("README.md", "README.ko.md"), ("docs/tutorial.md", "docs/tutorial.ko.md")]


def outline(one: Page) -> list[str]:
    """Headings by their level, and blocks by their language and mark, in order."""
    found, is_code = [], False
    for line in one.text.splitlines():
        if line.startswith("```"):
            is_code = not is_code
            found += [line] if is_code else []
        elif not is_code and (line.startswith(("#", "<!--"))):
            found.append(re.sub(r"^(#+) .*", r"\1", line))
    return found


def verb_and_options(line: str) -> list[str]:
    words = shlex.split(line, comments=True)
    return [*words[:2], *(word for word in words if word.startswith("-"))]


@pytest.mark.parametrize(("english", "korean"), PAIRS)
def test_a_korean_page_has_the_structure_of_the_english_one(english: str, korean: str) -> None:
    assert outline(page(korean)) == outline(page(english))


@pytest.mark.parametrize(("english", "korean"), PAIRS)
def test_a_korean_page_has_the_command_lines_of_the_english_one(english: str, korean: str) -> None:
    lines = [[verb_and_options(line) for block in page(name).blocks for line in block.command_lines]
             for name in (english, korean)]  # fmt: skip
    assert lines[0] == lines[1]


@pytest.mark.parametrize(("english", "korean"), PAIRS)
def test_a_korean_page_is_korean_and_says_that_figures_are_of_english(english: str, korean: str) -> None:
    headings = [text for level, text in page(korean).headings if level == 2 and text != "speechtune"]
    assert all(re.search("[가-힣]", text) for text in headings)
    assert "영어로만 잰 것입니다" in " ".join(page(korean).text.split())


def test_korean_commands_are_labels_that_can_be_recorded() -> None:
    given = {words[place + 1] for one, words in commands("speechtune") for place, word in enumerate(words)
             if word in ("--commands", "--keywords") and re.search("[가-힣]", words[place + 1])}  # fmt: skip
    assert "불 켜,불 꺼,멈춰" in given
    for text in given:
        assert all(check_label(label) for label in text.split(","))
