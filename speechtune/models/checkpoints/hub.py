"""A checkpoint by its name on the Hugging Face hub, fetched into the hub's own cache on this machine. Needs no torch.

What is in the cache is used as it is, without asking the hub, so that a model does not change under its name from one
run to the next; `hf download NAME` brings a newer one.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePath

from speechtune.errors import CheckpointIncompatibleError, CheckpointNotFoundError, HubUnavailableError
from speechtune.extras import need
from speechtune.models.checkpoints.files import FILES
from speechtune.models.encoders.bounds import DESCRIPTION_FILE

TIMEOUT_SECONDS = 5.0
"""So long the first question may take; without a network the answer comes at once."""

_SCHEME = "hf:"
_NAME = re.compile(r"(?P<repository>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w.-]+(?:/[\w.-]+)*))?")


@dataclass(frozen=True)
class HubName:
    """What a user calls a model on the hub.

    Attributes:
        repository: organisation/name.
        revision: branch, tag or commit. Defaults to the main branch.
    """

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.repository if self.revision is None else f"{self.repository}@{self.revision}"

    @property
    def name(self) -> str:
        """What a folder of it would be called.

        >>> HubName("someone/lights", "v2").name
        'lights'
        """
        return self.repository.rpartition("/")[2]


def parse_hub_name(text: str) -> HubName | None:
    """The name on the hub that is written `organisation/name` or `organisation/name@revision`; None: it is not one.

    >>> parse_hub_name("someone/lights@v2")
    HubName(repository='someone/lights', revision='v2')
    >>> parse_hub_name("lights") is None
    True
    """
    found = _NAME.fullmatch(text)
    return None if found is None else HubName(found["repository"], found["revision"])


def hub_name(place: PurePath) -> HubName | None:
    """The hub's model that a user means by `place`; None where it is a place on this machine.

    `hf://organisation/name` is always one of the hub. Without the scheme it is one unless a folder of the
    organisation's name is here, in which a model may be missing.

    >>> hub_name(PurePath("hf://someone/lights@v2"))
    HubName(repository='someone/lights', revision='v2')
    >>> hub_name(PurePath("/models/lights")) is None
    True
    """
    text = place.as_posix()
    if text.startswith(f"{_SCHEME}/"):
        return parse_hub_name(text.removeprefix(_SCHEME).lstrip("/"))
    name = None if place.is_absolute() or place.suffix.lower() == ".onnx" else parse_hub_name(text)
    return None if name is None or os.path.lexists(place.parent) else name


def local_folder(place: Path) -> Path:
    """The folder of the model that a user names: `place` itself, or the hub's cache, where it is downloaded to.

    Raises:
        CheckpointNotFoundError: the hub has no such model, or not for this user.
        CheckpointIncompatibleError: what the hub has of that name is no checkpoint.
        HubUnavailableError: it is not in the cache, and the hub cannot be asked or broke off.
        MissingExtraError: the extra `train`, which brings the hub's client, is not installed.
    """
    name = hub_name(place)
    if name is None:
        return place
    need(f"model {name} of the Hugging Face hub", "train")
    return _cached(name) or _downloaded(name)


def _cached(name: HubName) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(name.repository, revision=name.revision, local_files_only=True, allow_patterns=[*FILES])
        )
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise CheckpointNotFoundError(
            f"model {name}: is not here, and cannot be a Hugging Face id ({error})"
        ) from error
    needed = FILES - {"README.md"}
    return folder if all((folder / file).is_file() for file in needed) else None


def _downloaded(name: HubName) -> Path:
    from huggingface_hub import errors as hub_errors
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, snapshot_download

    # The root of the errors of whichever HTTP library this version of the hub's client uses.
    http_error: type[Exception] = hub_errors.HTTPError  # type: ignore[attr-defined]
    try:
        # One question without retries, so that gigabytes of another program's model are never fetched.
        url = hf_hub_url(name.repository, DESCRIPTION_FILE, revision=name.revision)
        get_hf_file_metadata(url, timeout=TIMEOUT_SECONDS)
        return Path(
            snapshot_download(
                name.repository, revision=name.revision, etag_timeout=TIMEOUT_SECONDS, allow_patterns=[*FILES]
            )
        )
    except hub_errors.RemoteEntryNotFoundError as error:
        raise CheckpointIncompatibleError(
            f"model {name}: the Hugging Face hub has it, without a {DESCRIPTION_FILE}: it is another program's; if it "
            f"is a pretrained encoder, fine-tune it: speechtune finetune DATA --encoder {name.repository} --out CKPT"
        ) from error
    except (hub_errors.RepositoryNotFoundError, hub_errors.RevisionNotFoundError) as error:
        raise CheckpointNotFoundError(
            f"model {name}: no folder of that name is here, and the Hugging Face hub has no model of that name and "
            "revision that this user may read; check the name, or log in with: hf auth login"
        ) from error
    except (OSError, http_error) as error:
        raise HubUnavailableError(
            f"model {name}: no folder of that name is here, it is not in the cache of the Hugging Face hub, and the "
            f"hub could not be asked ({reason_of(error)}); connect to the internet, or give a local folder"
        ) from error


def reason_of(error: Exception) -> str:
    """The first line of what an error says."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
