from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from speechtune.errors import UnreadableAudioError
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.clips.compute import compute_metrics
from speechtune.evaluation.evaluate import ClipPart, Evaluation, StreamPart
from speechtune.evaluation.reports.media import MAX_SECONDS, clip_media
from speechtune.evaluation.reports.page import (
    MAX_PLAYABLE,
    html_report,
    listed_rows,
    playable_rows,
    write_html_report,
)
from speechtune.evaluation.streams.compute import compute_stream_metrics
from speechtune.evaluation.streams.playback import play
from speechtune.evaluation.streams.recordings import find_recordings, read_part
from speechtune.evaluation.streams.truth import SpokenWord, write_truth
from speechtune.labels import LabelSet
from tests.support.answers import LABELS, predictions_of, simulate, sure
from tests.support.chromium import Browser, needs_chromium, open_page
from tests.support.clips import word_like, write_audio
from tests.support.streaming import LoudnessActivity, PitchScorer, quiet, tone

HOSTILE = LabelSet(("<script>window.owned = 1", '"quo\'te" & `tick` -->'), ("<!--",))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    running = Browser(tmp_path_factory.mktemp("profile"))
    yield running
    running.close()


def clip_part(predictions: Predictions, **settings: object) -> ClipPart:
    metrics = compute_metrics(predictions, num_resamples=50)
    return ClipPart(metrics, predictions, lambda row: word_like(row, 4_000), **settings)  # type: ignore[arg-type]


def stream_part(folder: Path) -> StreamPart:
    """`low` heard, `high` missed (it is `something else` where it was said), `low` where nothing was said."""
    gap = quiet(12_000)
    samples = np.concatenate([gap, tone(250, 6_000), gap, tone(600, 6_000), gap, tone(250, 6_000), gap])
    write_audio(folder / "tape.wav", samples)
    write_truth(folder / "tape.txt", [SpokenWord("low", 12_000, 18_000), SpokenWord("high", 30_000, 36_000)])
    playback = play(PitchScorer(), LoudnessActivity(), find_recordings(folder))
    recording = playback.heard[0].recording
    metrics = compute_stream_metrics(playback, compute_ms=[10.0, 12.0])
    return StreamPart(metrics, lambda _, start, end: read_part(recording, start, end))


def document(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))  # type: ignore[no-any-return]


@needs_chromium
def test_a_confusion_cell_that_is_clicked_shows_its_clips_with_players_and_pictures(browser, tmp_path):
    predictions = simulate(np.random.default_rng(4), num_speakers=12, skill=1.0)
    path = write_html_report(Evaluation("a on b", {"digest": "c0ffee"}, clip_part(predictions)), tmp_path)
    names = predictions.labels.labels
    cell = (predictions.truth == names.index("yes")) & (predictions.predicted == names.index("no"))
    ids = {predictions.clip_ids[row] for row in np.flatnonzero(cell)}
    assert ids
    with open_page(browser, path) as page:
        page.click('button[data-said="yes"][data-answered="no"]')
        shown = page.evaluate("[...document.querySelectorAll('.clip code')].map(code => code.textContent)")
        assert set(shown) == ids
        assert page.evaluate("document.querySelector('#chosen').textContent").startswith(
            f"“yes” answered “no”: {len(ids)}"
        )
        assert page.evaluate("document.querySelectorAll('td.chosen').length") == 1
        players = page.evaluate("document.querySelectorAll('.clip audio').length")
        assert 1 <= players == page.evaluate("document.querySelectorAll('.clip img').length")
        seconds = page.evaluate(
            "new Promise(done => { const sound = document.querySelector('.clip audio'); const tell = () => "
            "done(sound.duration); if (sound.readyState) tell(); else sound.onloadedmetadata = tell; sound.load(); })"
        )
        assert seconds == pytest.approx(0.25, abs=0.001)
        assert (
            page.evaluate(
                "(() => { const shown = document.querySelector('.clip img'), canvas = document.createElement('canvas');"
                "canvas.width = shown.naturalWidth; canvas.height = shown.naturalHeight;"
                "canvas.getContext('2d').drawImage(shown, 0, 0); const image = canvas.getContext('2d')"
                ".getImageData(0, 0, canvas.width, canvas.height).data; return new Set(image).size })()"
            )
            > 10
        )
        page.click("#chosen button")
        assert "All wrong answers" in page.evaluate("document.querySelector('#chosen').textContent")
        assert page.complaints == []


@needs_chromium
@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_asks_the_network_for_nothing_and_is_no_wider_than_its_window(browser, tmp_path, width):
    predictions = simulate(np.random.default_rng(4), num_speakers=12)
    part = clip_part(predictions, leaks=("The speaker a is in 1 training clips and 2 test clips.",))
    path = write_html_report(Evaluation("a on b", {}, part, stream_part(tmp_path / "tapes")), tmp_path)
    with open_page(browser, path, width=width, dark=True) as page:
        page.click('button[data-said="yes"][data-answered="no"]')
        others = [address for address in page.requests[1:] if not address.startswith("data:")]
        assert page.requests[0].startswith("file:")
        assert others == []
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert "training clips and 2 test clips" in page.evaluate("document.body.innerText")
        # The policy keeps it so, whatever data may hold.
        page.evaluate("{ const picture = new Image(); picture.src = 'http://127.0.0.1:9/x.png' }")
        assert any("Content Security Policy" in complaint for complaint in page.complaints)


@needs_chromium
def test_figures_stand_in_one_line_with_their_intervals_also_on_a_telephone(browser, tmp_path):
    predictions = simulate(np.random.default_rng(4), num_speakers=12)
    source = Evaluation("a on b", {}, clip_part(predictions), stream_part(tmp_path / "tapes"))
    path = write_html_report(source, tmp_path)
    with open_page(browser, path, width=390) as page:
        heights = page.evaluate(
            "[...document.querySelectorAll('tbody tr')].filter(row => !row.querySelector('td.text'))"
            ".map(row => row.offsetHeight)"
        )
        assert len(heights) > 20
        assert max(heights) < 45  # a second line would make it 55
        text = " ".join(page.evaluate("document.body.textContent").split())
        metrics = source.clips.metrics
        for scores in metrics.per_label.values():
            low, high = (f"{100 * end:.1f} %" for end in scores.recall_interval)
            assert f"({low} – {high})" in text
        low, high = (f"{100 * end:.1f} %" for end in metrics.intervals["equal_error_rate"])
        assert f"95 %: {low} – {high}" in text
        said = page.evaluate("document.querySelector('button[data-said=yes][data-answered=yes]').title")
        low, high = (f"{100 * end:.1f}" for end in metrics.confusion_intervals["yes"]["yes"])
        assert " ".join(said.split()).endswith(f"95 %: {low} % – {high} %")
        assert page.evaluate("document.querySelectorAll('svg polygon').length") == 1
        assert page.complaints == []


@needs_chromium
def test_labels_paths_and_facts_that_look_like_markup_are_shown_as_they_are(browser, tmp_path):
    first, second = HOSTILE.keywords
    rows = [sure(HOSTILE, second), sure(HOSTILE, second), sure(HOSTILE, first)]
    predictions = Predictions(
        HOSTILE,
        np.array(rows, dtype=np.float32),
        (first, second, "<!--"),
        ("<img src=x onerror='window.owned = 1'>", "]]>\u2028", "@@REPORT_DATA@@"),
        ("</script>", None, "$&"),
    )
    facts = {"<b>name</b>": "</script><script>window.owned = 1</script>", "number": None, "deep": {"a": [1, "<i>"]}}
    path = write_html_report(Evaluation("<u>title</u> \u2028", facts, clip_part(predictions)), tmp_path)
    with open_page(browser, path) as page:
        assert page.complaints == []
        assert page.evaluate("window.owned === undefined")
        assert page.evaluate("document.querySelector('h1').textContent") == "<u>title</u> \u2028"
        page.evaluate(
            f"[...document.querySelectorAll('button[data-said]')].find(cell => cell.dataset.said === "
            f"{json.dumps(first)} && cell.dataset.answered === {json.dumps(second)}).click()"
        )
        shown = page.evaluate("[...document.querySelectorAll('.clip code')].map(code => code.textContent)")
        assert shown == ["<img src=x onerror='window.owned = 1'>"]
        text = page.evaluate("document.body.textContent")
        assert all(said in text for said in ("<b>name</b>", "speaker </script>", first, second, "a 1, <i>"))
        assert (
            page.evaluate(
                "document.querySelectorAll('body img:not([src^=\"data:image/png\"]), h1 u, td b, td i').length"
            )
            == 0
        )


@needs_chromium
def test_events_of_streams_can_be_heard_and_picked_by_kind(browser, tmp_path):
    path = write_html_report(Evaluation("a on tapes", {}, None, stream_part(tmp_path / "tapes")), tmp_path)
    with open_page(browser, path) as page:
        listed = "[...document.querySelectorAll('.clip')].map(clip => clip.textContent)"
        assert len(page.evaluate(listed)) == 2
        assert page.evaluate(listed)[0].startswith("alone low at")
        assert page.evaluate("document.querySelectorAll('.clip audio').length") == 2
        page.evaluate(
            "{ const kind = document.querySelector('select[aria-label=kind]'); kind.value = 'missed'; "
            "kind.dispatchEvent(new Event('change')); }"
        )
        assert [one[:11] for one in page.evaluate(listed)] == ["missed high"]
        charts = page.evaluate("[...document.querySelectorAll('figure h3')].map(title => title.textContent)")
        assert charts == [
            "All thresholds at one level",
            "low: where its threshold lies",
            "From a word's end to its event",
        ]
        page.evaluate(
            "{ const keyword = document.querySelector('select[aria-label=keyword]'); keyword.value = 'high'; "
            "keyword.dispatchEvent(new Event('change')); }"
        )
        assert "high: where its threshold lies" in page.evaluate("document.body.innerText")
        red = "circle[fill='var(--red)'] title"
        assert page.evaluate(f'[...document.querySelectorAll("{red}")].map(one => one.textContent)') == [
            "the model's thresholds",
            "threshold 0.500",
        ]
        assert page.complaints == []


def test_every_confusion_cell_gets_a_clip_to_hear_before_any_gets_two():
    predictions = simulate(np.random.default_rng(1), num_speakers=60)
    rows = listed_rows(predictions)
    chosen = playable_rows(predictions, rows)
    assert len(chosen) == MAX_PLAYABLE
    wrong = predictions.predicted != predictions.truth
    assert wrong[rows[: int(wrong.sum())]].all()  # the wrong ones come first
    cells = {(int(predictions.truth[row]), int(predictions.predicted[row])) for row in rows if wrong[row]}
    assert cells == {(int(predictions.truth[row]), int(predictions.predicted[row])) for row in chosen if wrong[row]}


def test_the_page_is_the_same_for_the_same_evaluation_and_has_no_numbers_that_json_lacks():
    predictions = simulate(np.random.default_rng(2), num_speakers=5)
    source = Evaluation("a", {}, clip_part(predictions))
    assert html_report(source) == html_report(source)
    assert document(html_report(source))["streams"] is None
    with pytest.raises(ValueError, match="JSON"):
        html_report(Evaluation("a", {"nan": float("nan")}, clip_part(predictions)))


def test_a_clip_that_has_gone_is_an_error_and_leaves_no_page(tmp_path):
    def gone(row: int) -> np.ndarray:
        raise UnreadableAudioError(f"clip {row} has gone")

    predictions = predictions_of([sure(LABELS, "yes")], ["no"])
    part = ClipPart(compute_metrics(predictions, num_resamples=50), predictions, gone)
    with pytest.raises(UnreadableAudioError, match="has gone"):
        write_html_report(Evaluation("a", {}, part), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_pictures_and_sound_of_a_clip_are_bounded_whatever_its_length():
    short, long = clip_media(word_like(0, 400)), clip_media(np.tile(word_like(0, 16_000), 20))
    assert short.width >= 1
    assert long.width <= 160
    assert len(long.audio) < 2 * 2 * MAX_SECONDS * 16_000
