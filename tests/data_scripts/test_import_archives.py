"""Importers given an archive, of the layout in which it is published."""

import shutil
import zipfile

import pytest

from data_scripts import import_common_voice, import_fsdd
from speechtune.data.sets.clips import content_hash
from speechtune.data.sets.loading import load_clips
from tests.support.clips import word_like, write_audio


@pytest.fixture
def digits(tmp_path):
    """As GitHub packs a release: everything in one folder."""
    root = tmp_path / "fsdd" / "free-spoken-digit-dataset-1.0.10"
    for name in ("7_jackson_0", "0_theo_49"):
        write_audio(root / "recordings" / f"{name}.wav", word_like(1, 2_000), 8_000)
    (root / "README.md").write_text("about")
    return shutil.make_archive(str(tmp_path / "v1.0.10"), "zip", tmp_path / "fsdd")


def test_an_archive_of_digits_is_unpacked_beside_itself_and_only_once(digits, tmp_path, capsys):
    arguments = [digits, "--out", str(tmp_path / "m.jsonl")]
    assert import_fsdd.main(arguments) == 0
    assert len(load_clips(tmp_path / "m.jsonl").clips) == 2
    assert "no sum of v1.0.10.zip is published" in capsys.readouterr().out
    readme = next((tmp_path / "v1.0.10-unpacked").rglob("README.md"))
    readme.unlink()
    assert import_fsdd.main(arguments) == 0
    assert not readme.exists()


def test_an_archive_whose_sum_is_another_is_refused(digits, tmp_path, capsys):
    digest = content_hash(tmp_path / "v1.0.10.zip")
    arguments = [digits, "--out", str(tmp_path / "m.jsonl"), "--unpack-to", str(tmp_path / "here"), "--sha256"]
    assert import_fsdd.main([*arguments, "1" * 64]) == 2
    assert f"its SHA-256 is {digest}" in capsys.readouterr().err
    assert not (tmp_path / "here").exists()
    assert import_fsdd.main([*arguments, digest.upper()]) == 0
    assert (tmp_path / "here" / "free-spoken-digit-dataset-1.0.10" / "recordings").is_dir()


def test_a_damaged_zip_and_what_is_no_archive_are_refused_by_name(tmp_path, capsys):
    for name, content in (("a.zip", b"PK\x03\x04 and no more"), ("b.tar.gz", b"hello"), ("c.zip", b"")):
        (tmp_path / name).write_bytes(content)
        assert import_fsdd.main([str(tmp_path / name), "--out", str(tmp_path / "m.jsonl")]) == 2
        assert f"{name}: not a whole archive" in capsys.readouterr().err
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as zipped:
        zipped.writestr("other/x.txt", "x")
    assert import_fsdd.main([str(tmp_path / "d.zip"), "--out", str(tmp_path / "m.jsonl")]) == 2
    assert "holds 0 folders with 'recordings'" in capsys.readouterr().err


def test_an_archive_of_common_voice_holds_a_language_in_a_folder(tmp_path, capsys):
    root = tmp_path / "cv" / "cv-corpus-17.0" / "en"
    for name in ("a.mp3", "b.mp3"):
        path = write_audio(root / "clips" / "x.wav", word_like(1, 2_000))
        path.rename(root / "clips" / name)
    rows = [("client_id", "path", "sentence"), ("c1", "a.mp3", "Yes."), ("c2", "b.mp3", "no"), ("c2", "gone.mp3", "no")]
    (root / "validated.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    archive = shutil.make_archive(str(tmp_path / "cv-en"), "gztar", tmp_path / "cv")
    assert import_common_voice.main([archive, "--out", str(tmp_path / "m.jsonl")]) == 0
    assert load_clips(tmp_path / "m.jsonl").num_clips_per_label() == {"no": 1, "yes": 1}
    assert "left out: 1 clips that are listed and not there" in capsys.readouterr().out
