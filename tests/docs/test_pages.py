"""Links, places, spelling and form of the documents, and that the generated ones are up to date."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import speechtune
from data_scripts import generate_reference
from tests.support.documents import DOCS, Page, page, pages, written_pages
from tests.support.speech import REPOSITORY

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ROOTS = "speechtune|server|proto|docs|data_scripts|benchmarks|examples|tests"
OFFERED = {f"speechtune.{name}": getattr(speechtune, name) for name in speechtune.__all__}
PLACE = re.compile(rf"^(?:{ROOTS})/[\w./-]+$")


def slugs(text: Page) -> set[str]:
    from markdown.extensions.toc import slugify

    return {slugify(heading.replace("`", ""), "-") for _, heading in text.headings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Page) -> None:
    for target in LINK.findall(page.prose):
        path, _, place = target.partition("#")
        assert "://" not in target, f"{target}: leads out of the documents"
        found = (page.path.parent / path).resolve() if path else page.path
        assert found.is_file(), target
        assert found.is_relative_to(DOCS) or not page.path.is_relative_to(DOCS), f"{target}: not part of the site"
        if place:
            assert place in slugs(next(one for one in pages() if one.path == found)), target


@pytest.mark.parametrize("page", written_pages(), ids=lambda page: page.name)
def test_files_that_are_named_are_there(page: Page) -> None:
    for code in page.inline:
        if PLACE.match(code):
            assert (REPOSITORY / code).exists(), code


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_python_can_be_read_and_what_it_imports_is_there(page: Page) -> None:
    for block in page.blocks:
        if block.language != "python" or block.text.startswith(">>>"):
            continue
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                module = importlib.import_module(node.module)
                assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)
                assert node.module == "speechtune_client" or not node.module.startswith("speechtune"), (
                    f"{node.module}: documents show what `import speechtune` offers, and the client"
                )
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "speechtune":
                assert node.attr in speechtune.__all__, ast.unparse(node)
            if isinstance(node, ast.Call) and ast.unparse(node.func) in OFFERED:
                named = {keyword.arg: None for keyword in node.keywords if keyword.arg is not None}
                inspect.signature(OFFERED[ast.unparse(node.func)]).bind(*node.args, **named)


@pytest.mark.parametrize("page", written_pages(), ids=lambda page: page.name)
def test_no_page_names_a_machine_a_registry_or_a_picture_that_is_not_there(page: Page) -> None:
    assert not re.search(r"(?<![\w./-])/(?:work|farm|root|home|tmp)/", page.text)
    assert not re.search(r"py" + r"pi\.org|python" + r"hosted|npm" + r"js", page.text)
    for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)|<img[^>]+src=\"([^\"]+)\"", page.text):
        assert (page.path.parent / "".join(target)).is_file(), target


def test_the_readme_is_a_door() -> None:
    for one in pages():
        if one.name.startswith("README"):
            assert len(one.text.splitlines()) <= 150, one.name


def test_every_page_begins_with_its_title_and_is_found_from_the_first() -> None:
    navigation = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    for one in pages():
        assert [level for level, _ in one.headings].count(1) == 1, one.name
        if one.path.is_relative_to(DOCS):
            assert one.path.relative_to(DOCS).as_posix() in navigation, one.name


def test_generated_pages_are_up_to_date(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = generate_reference.generate()
    monkeypatch.setattr(generate_reference, "generate", lambda: pages)
    assert generate_reference.main(["--check"]) == 0, capsys.readouterr().err
    (tmp_path / "recipe.md").write_text("# Recipe\n", encoding="utf-8")
    assert generate_reference.main(["--check", "--out", str(tmp_path)]) == 1
    assert "recipe.md: out of date" in capsys.readouterr().err
    assert generate_reference.main(["--out", str(tmp_path)]) == 0
    assert generate_reference.differences(pages, tmp_path) == []


def test_decisions_are_dated_and_listed() -> None:
    index = page("docs/decisions/index.md").text
    decisions = [path for path in (DOCS / "decisions").glob("*.md") if path.name != "index.md"]
    assert decisions
    for path in decisions:
        assert re.match(r"\d{4}-\d{2}-\d{2}-[a-z-]+\.md$", path.name)
        assert path.name in index
        assert "## Decision\n" in path.read_text(encoding="utf-8")


@pytest.mark.skipif(find_spec("codespell_lib") is None, reason="codespell is not installed (extra `dev`)")
def test_english_is_spelt_right() -> None:
    english = [str(one.path) for one in pages() if ".ko." not in one.name]
    command = [sys.executable, "-m", "codespell_lib", "--builtin", "clear,rare", *english]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.skipif(find_spec("material") is None, reason="mkdocs-material is not installed (extra `docs`)")
def test_the_site_is_built_without_a_warning_and_asks_nobody_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, env=environment, check=False)
    assert built.returncode == 0, built.stderr
    html = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")]
    assert len(html) > len(list(DOCS.rglob("*.md"))) - 1
    for text in html:
        assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"']?(?:https?:)?//[^\"'> ]+", text)
        assert 'class="mermaid"' not in text, "it would be drawn by a script from elsewhere"
