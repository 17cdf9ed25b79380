"""`speechtune record` with files in place of a microphone, and with a virtual sound device."""

import os
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from speechtune.audio.files import read_audio, write_flac
from speechtune.cli.app import run
from speechtune.data.sets.clips import content_hash, read_clip
from speechtune.data.sets.folder_lock import sole_writer
from speechtune.data.sets.loading import load_clips
from speechtune.data.sets.manifest import load_manifest
from tests.support.speech import REPOSITORY, SPEECH_FOLDER, needs_speech

FSDD = SPEECH_FOLDER / "fsdd"
DIGITS = ("0", "1", "2")
_TRIES = 3


def take_files(folder, num_takes, replaced=None):
    """Takes of three digits by one speaker, by turns, as the prompts come."""
    folder.mkdir()
    for take in range(num_takes):
        for digit in DIGITS:
            said = (replaced or {}).get((digit, take), f"{digit}/george_{take + 1}.flac")
            shutil.copyfile(FSDD / said, folder / f"{take:02d}_{digit}.flac")
    return folder


@needs_speech
def test_files_are_recorded_like_takes_and_one_that_says_another_command_is_left_out(tmp_path, capsys):
    takes = take_files(tmp_path / "takes", 5, {("0", 4): "2/george_9.flac"})
    data = tmp_path / "data"
    commands = ["record", str(data), "--commands", "0,1,2", "--speaker", "george", "--room", "hall"]
    assert run([*commands, "--from-files", str(takes)]) == 0
    told = capsys.readouterr().out
    assert "like another: it sounds more like '2' than like '0'" in told
    assert "1 are still to be recorded" in told
    recorded = load_clips(data)
    assert recorded.num_clips_per_label() == {"0": 4, "1": 5, "2": 5}
    assert {(clip.speaker, clip.room, clip.device) for clip in recorded.clips} == {("george", "hall", "files")}
    original = read_audio(takes / "00_0.flac")
    heard = read_clip(recorded.with_label("0")[0])
    assert np.abs(np.correlate(heard, original, "valid" if len(heard) > len(original) else "full")).max() > 0.9 * min(
        float(np.dot(heard, heard)), float(np.dot(original, original))
    )
    # Resumed, it asks for what is missing and nothing else.
    commands += ["--encoder", "none"]
    assert run([*commands, "--from-files", str(FSDD / "0" / "george_7.flac")]) == 0
    assert load_clips(data).num_clips_per_label() == {"0": 5, "1": 5, "2": 5}
    assert run([*commands, "--from-files", str(takes)]) == 0
    assert "everything is recorded already" in capsys.readouterr().out


def test_what_cannot_be_recorded_is_said_in_one_line(tmp_path, capsys):
    data = str(tmp_path / "data")
    for arguments, message in (
        (["record", data], "nothing to record"),
        (["record", data, "--commands", "a,,b"], "--commands 'a,,b'"),
        (["record", data, "--commands", "a", "--from-files", str(tmp_path / "no")], "is not there"),
        (["record", data, "--commands", "a", "--from-files", str(REPOSITORY / "proto")], "holds no audio files"),
    ):
        assert run(arguments) == 2
        assert message in capsys.readouterr().err


@needs_speech
def test_killed_again_and_again_while_recording_what_is_listed_is_whole_and_it_goes_on(tmp_path):
    takes = take_files(tmp_path / "takes", 10)
    data = tmp_path / "data"
    arguments = ["record", str(data), "--commands", ",".join(DIGITS), "--takes", "10", "--encoder", "none"]
    arguments += ["--from-files", str(takes)]
    for number, wanted in enumerate((1, 6, 14)):
        process = subprocess.Popen(
            [sys.executable, "-m", "speechtune", *arguments], stdout=subprocess.DEVNULL, cwd=REPOSITORY
        )
        try:
            deadline = time.monotonic() + 60
            while len(list(data.glob("*/*.flac"))) < wanted and time.monotonic() < deadline:
                time.sleep(0.002)
            time.sleep(0.007 * number)
        finally:
            process.kill()
            process.wait()
        clips = load_manifest(data / "manifest.jsonl", may_be_empty=True).clips
        assert all(content_hash(clip.path) == clip.sha256 for clip in clips)
        assert len(list(data.glob("*/*.flac"))) - len(clips) <= number + 1
    assert run(arguments) == 0
    assert load_clips(data).num_clips_per_label() == dict.fromkeys(DIGITS, 10)


@pytest.fixture
def virtual_sound(tmp_path):
    """The environment of a sound server of our own whose microphone hears what is played; skipped without one."""
    if missing := [name for name in ("pulseaudio", "paplay", "parec", "pactl") if shutil.which(name) is None]:
        pytest.skip(f"no virtual sound device: {', '.join(missing)} not installed (apt install pulseaudio)")
    socket = tmp_path / "sock"
    (tmp_path / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    environment = os.environ | {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "PULSE_SERVER": f"unix:{socket}",
        "PULSE_SINK": "speaker",
        "PULSE_SOURCE": "speaker.monitor",
        "PYTHONUNBUFFERED": "1",
    }
    modules = [
        f"module-native-protocol-unix auth-anonymous=1 socket={socket}",
        "module-null-sink sink_name=speaker rate=48000",
    ]
    server = subprocess.Popen(
        ["pulseaudio", "--daemonize=no", "--exit-idle-time=-1", "-n", *(f"--load={module}" for module in modules)],
        env={name: value for name, value in environment.items() if name != "PULSE_SERVER"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            if subprocess.run(["pactl", "info"], env=environment, capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
        else:
            pytest.skip("no virtual sound device: pulseaudio does not start here")
        probe = "import sounddevice; sounddevice.query_devices(None, 'input')"
        if subprocess.run([sys.executable, "-c", probe], env=environment, capture_output=True, check=False).returncode:
            pytest.skip("no virtual sound device: PortAudio is not installed or does not see it")
        yield environment
    finally:
        server.terminate()
        server.wait(timeout=10)


def padded_with_silence(path, samples):
    quiet = np.zeros(8_000, dtype=np.float32)
    write_flac(path, np.concatenate([quiet, samples, quiet]))
    return path


def likeness(heard, said):
    """1 where one of two sounds, shifted, is the other, at whatever level."""
    padded = np.pad(said, len(heard))
    return float(np.correlate(padded, heard, "valid").max() / np.linalg.norm(heard) / np.linalg.norm(said))


def until(process, text):
    """What the process prints, as far as `text`."""
    shown = ""
    while text not in shown:
        read = process.stdout.read(1)
        assert read, f"ended after: {shown}"
        shown += read
    return shown


def tell(process, answer):
    process.stdin.write(f"{answer}\n")
    process.stdin.flush()


@needs_speech
def test_a_real_sound_device_is_heard_and_plays_what_it_heard(tmp_path, virtual_sound):
    # They end where they are loud, so that an end that is not played, or not heard, is missed.
    said = {
        "one": read_audio(FSDD / "1" / "george_3.flac")[:5_500],
        "two": read_audio(FSDD / "2" / "jackson_5.flac")[:5_000],
    }
    command = [sys.executable, "-m", "speechtune", "record", str(tmp_path / "data"), "--commands", "one,two"]
    process = subprocess.Popen(
        [*command, "--takes", "1", "--encoder", "none"],
        env=virtual_sound,
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    overdue = threading.Timer(100, process.kill)  # ends every wait below
    overdue.start()
    try:
        for name, samples in said.items():
            file = str(padded_with_silence(tmp_path / "said.flac", samples))
            for _ in range(_TRIES):  # on a busy machine sound has gaps, in the loudspeaker too
                assert f"say: {name}" in until(process, "q: leave ")
                tell(process, "")
                time.sleep(3 * 0.5 + 0.3)  # the countdown
                subprocess.run(["paplay", file], env=virtual_sound, check=True, timeout=30)
                until(process, "q: leave ")
                played = _played(process, virtual_sound, tmp_path / "played.raw")
                if likeness(np.trim_zeros(played), samples) > 0.95:
                    break
                tell(process, "r")
            else:
                pytest.fail(f"{name!r} was never heard and played without gaps")
            tell(process, "k")
        assert "kept 2 takes" in process.stdout.read()
        assert process.wait(timeout=30) == 0
    finally:
        overdue.cancel()
        process.kill()
        process.communicate()
    clips = {clip.label: clip for clip in load_clips(tmp_path / "data").clips}
    for name, samples in said.items():
        assert likeness(read_clip(clips[name]), samples) > 0.95
        assert clips[name].device


def _played(process, environment, path):
    """What comes out of the loudspeaker while the take is played: float32[N] at 16 kHz."""
    with path.open("wb") as file:
        tap = subprocess.Popen(
            ["parec", "-d", "speaker.monitor", "--rate=16000", "--channels=1", "--format=s16le"],
            env=environment,
            stdout=file,
        )
        try:
            time.sleep(0.5)
            tell(process, "p")
            until(process, "q: leave ")
            time.sleep(0.5)
        finally:
            tap.terminate()
            tap.wait(timeout=10)
    return np.frombuffer(path.read_bytes(), dtype="<i2").astype(np.float32) / 32_768


def test_two_recorders_in_one_folder_are_refused(tmp_path, capsys):
    with sole_writer(tmp_path / "data"):
        assert run(["record", str(tmp_path / "data"), "--commands", "a"]) == 2
    assert "somebody else is recording into it" in capsys.readouterr().err
