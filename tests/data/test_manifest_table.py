"""Tables as Excel and its like write them: taken, or named for what they are."""

from __future__ import annotations

import pytest

from speechtune.data.manifest import load_manifest
from speechtune.errors import ManifestError
from tests.support.clips import word_like, write_audio


@pytest.fixture
def folder(tmp_path):
    for name in ("yes/1.wav", "no/1.wav"):
        write_audio(tmp_path / name, word_like(1, 2_000))
    return tmp_path


def read(folder, text, encoding="utf-8"):
    (folder / "m.csv").write_bytes(text.encode(encoding))
    return [(clip.label, clip.path.relative_to(folder).as_posix()) for clip in load_manifest(folder / "m.csv").clips]


BOTH = [("yes", "yes/1.wav"), ("no", "no/1.wav")]


@pytest.mark.parametrize(
    "text",
    [
        "path;label\nyes/1.wav;yes\nno/1.wav;no\n",
        "path\tlabel\nyes/1.wav\tyes\nno/1.wav\tno\n",
        "Path,Label\nyes/1.wav,yes\nno/1.wav,no\n",
        "PATH;LABEL;\r\nyes/1.wav;yes;\r\nno/1.wav;no;\r\n",
        "\ufeffpath,label\nyes/1.wav,yes\nno/1.wav,no\n",
        "sep=;\npath;label\nyes/1.wav;yes\nno/1.wav;no\n",
        "path,label,speaker,\nyes/1.wav,yes,,\nno/1.wav,no,,\n,,,\n,,,\n",
        ",,,\npath,label,,\nyes/1.wav,yes,,\nno/1.wav,no,,",
        "label;path\nyes;yes\\1.wav\nno;no\\1.wav\n",
        'path,label\n"yes/1.wav","yes"\n"no/1.wav","no"\n',
        "path;label;x_note\nyes/1.wav;yes;a, b\nno/1.wav;no;\n",
    ],
)
def test_what_excel_writes_is_taken(text, folder):
    assert read(folder, text) == BOTH


@pytest.mark.parametrize(
    ("text", "encoding", "hint"),
    [
        ("path,label\nC:\\data\\yes\\1.wav,yes\n", "utf-8", r"line 2: .*is a path of a Windows machine; write it rel"),
        ("path;label\n\\\\nas\\yes\\1.wav;yes\n", "utf-8", "line 2: .*Windows machine"),
        ("path,label\nyes/1.wav,yes\n", "utf-16", "is UTF-16, not text in UTF-8"),
        ("path;label\nyes/1.wav;jäh\n", "latin-1", "line 2: not UTF-8"),
        ("PK\x03\x04rest", "latin-1", "is Excel, not text"),
        ("file;word\nyes/1.wav;yes\n", "utf-8", "line 1: the header lacks label and path"),
        ("path;Path;label\na;b;c\n", "utf-8", "names a column twice"),
        ("\n\npath;label\n\nyes/1.wav\n", "utf-8", "line 5: has 1 cells, the header has 2"),
        ("path,label\nyes/1.wav,yes,more\n", "utf-8", "line 2: has 3 cells"),
        ("path,label\nyes\\2.wav,yes\n", "utf-8", "line 2: there is no file"),
        ("", "utf-8", "lists no clips"),
        (";;;\n;;;\n", "utf-8", "lists no clips"),
    ],
)
def test_what_cannot_be_taken_is_named_for_what_it_is(text, encoding, hint, folder):
    with pytest.raises(ManifestError, match=hint):
        read(folder, text, encoding)
