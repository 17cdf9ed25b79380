"""Every command line, option and setting that the documents name is there."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from data_scripts.reference.command_line import verbs
from data_scripts.reference.settings import key_defaults
from speechtune.recipe import Recipe
from speechtune.recipe_files import load_recipe, parse_recipe
from speechtune_server.process.config import ServerConfig
from tests.support.documents import commands, pages, written_pages
from tests.support.speech import REPOSITORY

VERBS = verbs()
COMMANDS = list(commands("speechtune"))
MODULES = re.compile(r"python -m ((?:benchmarks|data_scripts)\.[\w.]+)([^`\n]*)")
KEY = re.compile(r"^([a-z_]+(?:\.[a-z0-9_]+)+)(?: = (.+))?$")


def options_of(verb: Any) -> set[str]:
    return {name for option in verb.params for name in option.opts} | {"--debug", "--help"}


ALL_OPTIONS = set().union(*map(options_of, VERBS.values())) | {"--version"}


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=[" ".join(words) for _, words in COMMANDS])
def test_a_command_line_is_one_that_the_program_takes(page: Any, words: list[str]) -> None:
    verb, *arguments = words
    assert verb in VERBS, f"{page.name}: {verb}"
    context = VERBS[verb].make_context(verb, [*arguments])
    load_recipe(None, context.params.get("set_") or [])


def test_there_are_commands_of_every_verb() -> None:
    named = {words[0] for _, words in COMMANDS}
    assert named == set(VERBS)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_verbs_and_options_in_a_line_are_there(page: Any) -> None:
    for code in page.inline:
        words = code.split()
        if words[0] == "speechtune" and len(words) > 1 and re.fullmatch(r"[a-z-]+", words[1]):
            assert words[1] in VERBS, code
            missing = {word for word in words if word.startswith("--")} - options_of(VERBS[words[1]])
            assert not missing, code
        if words[0].startswith("--"):
            assert words[0] in ALL_OPTIONS, f"{page.name}: {code}"


@pytest.mark.parametrize("page", written_pages(), ids=lambda page: page.name)
def test_keys_of_the_recipe_are_there_with_the_default_that_is_told(page: Any) -> None:
    defaults = key_defaults()
    for code in page.inline:
        found = KEY.match(code)
        if found and found[1].split(".")[0] in Recipe.model_fields:
            assert found[1] in defaults, f"{page.name}: {code}"
            if found[2] is not None:
                assert tomllib.loads(f"value = {found[2]}")["value"] == defaults[found[1]], f"{page.name}: {code}"


def test_settings_in_toml_are_those_of_the_recipe_or_the_server() -> None:
    blocks = [block for page in pages() for block in page.blocks if block.language == "toml"]
    assert blocks
    for block in blocks:
        if block.text.startswith("# serve.toml"):
            assert set(tomllib.loads(block.text)) <= set(ServerConfig.model_fields)
        else:
            parse_recipe(block.text)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_modules_that_are_run_are_there_and_take_these_options(page: Any) -> None:
    for module, rest in MODULES.findall(page.text.replace("\\\n", " ")):
        spec = importlib.util.find_spec(module)
        assert spec is not None, f"{page.name}: {module}"
        assert spec.origin is not None
        source = Path(spec.origin).read_text(encoding="utf-8")
        for option in re.findall(r"--[a-z][a-z-]*", rest):
            assert f'"{option}"' in source, f"{page.name}: {module} {option}"
        for key in re.findall(r"--set ([a-z_]+\.[a-z_.]+)=", rest):
            assert key in key_defaults(), f"{page.name}: {key}"


def test_extras_that_are_installed_are_there() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {
        extra
        for page in written_pages()
        for extras in re.findall(r"(?:'\.|speechtune)\[([a-z,]+)\]", page.text)
        for extra in extras.split(",")
    }
    named |= {extra for page in written_pages() for extra in re.findall(r"extra `([a-z]+)`", page.text)}
    assert named
    assert named <= set(project["optional-dependencies"])


def test_targets_of_make_are_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = {words[0] for _, words in commands("make")}
    named |= {
        code.split()[-1] for page in written_pages() for code in page.inline if re.search(r"\bmake [a-z]+$", code)
    }
    assert named
    assert named <= targets
