"""Changing what is served while it is being served: load, unload, another default, reload; one at a time.

A model is loaded and has scored once before it takes the place of another; when that fails, nothing has changed.
Streams that run keep the model they began with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from speechtune.errors import (
    CheckpointIncompatibleError,
    InvalidRequestError,
    ServiceNotReadyError,
    SpeechTuneError,
)
from speechtune.models.opened import is_exported
from speechtune.names import composed
from speechtune_server.engine.model_store import LoadModel, ModelStore, ServedModel
from speechtune_server.engine.runner import Runner
from speechtune_server.process.clock import within
from speechtune_server.process.config import MODEL_NAME_RULE, is_model_name

_log = logging.getLogger(__name__)


class ModelLibrary:
    """The models and where they come from.

    Args:
        load_model: turns a name and a place into a model.
        places: name to place, as configured.
        default_name: one of those names.
        model_folder: what clients may load from; None: nothing.
        max_load_seconds: a model that is not there after so long, once the server serves, is given up.
    """

    def __init__(
        self,
        load_model: LoadModel,
        places: Mapping[str, Path],
        default_name: str,
        model_folder: Path | None,
        max_load_seconds: float = 600.0,
    ) -> None:
        self._load_model = load_model
        self._places = dict(places)
        self._default_name = default_name
        self._model_folder = model_folder
        self._max_load_seconds = max_load_seconds
        self._runner = Runner(1, "loading")
        self._given_up: list[Runner] = []
        self._changing = asyncio.Lock()
        self.store = ModelStore([], default_name)

    async def load_all(self) -> None:
        """Load the configured models.

        Raises:
            ModelError: one cannot be used.
        """
        async with self._changing:
            models = [await self._loaded(*item, has_deadline=False) for item in self._places.items()]
            self.store = ModelStore(models, self._default_name)

    async def load(self, folder: str, name: str, digest: str) -> ServedModel:
        """Load what lies in `folder` of the model folder and serve it as `name` ("": the folder's own).

        Raises:
            InvalidRequestError: a folder outside the model folder, or a name that cannot be one.
            ModelError: it cannot be used, or has not this digest ("": any).
            ServiceNotReadyError: it took too long.
        """
        place = self._inside(folder)
        name = name or place.stem if is_exported(place) else name or place.name
        if not is_model_name(name := composed(name)):
            raise InvalidRequestError("name", f"{name!r}: {MODEL_NAME_RULE}")
        async with self._changing:
            model = await self._loaded(name, place)
            if digest and model.digest != digest:
                raise CheckpointIncompatibleError(f"folder {folder!r} has digest {model.digest}, not {digest}")
            self._places[name] = place
            self.store.put(model)
            return model

    async def unload(self, reference: str) -> None:
        """Serve a model no longer.

        Raises:
            InvalidRequestError: it is the default.
            ModelUnavailableError: there is none of that name and digest.
        """
        async with self._changing:
            model = self.store.find(_named(reference))
            if model is self.store.default:
                raise InvalidRequestError("model", f"{model.name!r} is the default; make another the default first")
            self.store.remove(model)
            self._places.pop(model.name, None)
            _log.info("model %s is unloaded", model.name)

    async def set_default(self, reference: str) -> ServedModel:
        """Let "" stand for another model.

        Raises:
            ModelUnavailableError: there is none of that name and digest.
        """
        async with self._changing:
            model = self.store.find(_named(reference))
            self.store.set_default(model)
            _log.info("model %s is the default", model.name)
            return model

    async def reload(self) -> None:
        """Load again what has another digest than it had; what cannot be used is logged and replaces nothing."""
        async with self._changing:
            for name, place in list(self._places.items()):
                try:
                    model = await self._loaded(name, place)
                except SpeechTuneError as error:
                    _log.error("model %s stays as it is: %s", name, error)
                    continue
                except Exception:
                    _log.exception("model %s stays as it is", name)
                    continue
                if model.digest != self.store.find(name).digest:
                    self.store.put(model)

    async def close(self, max_seconds: float) -> bool:
        """Load nothing more; as `Runner.close`."""
        runners = (self._runner, *self._given_up)
        return all(await asyncio.gather(*(runner.close(max_seconds) for runner in runners)))

    async def _loaded(self, name: str, place: Path, has_deadline: bool = True) -> ServedModel:
        seconds = self._max_load_seconds if has_deadline else None
        try:
            model = await within(seconds, self._runner.run(partial(self._load_model, name, place)))
        except TimeoutError as error:
            # Its thread goes on, for none can be ended; the next model gets another one.
            self._given_up.append(self._runner)
            self._runner = Runner(1, "loading")
            raise ServiceNotReadyError(
                f"model {name!r} was not loaded within {seconds:g} s and is given up; look at its files, or raise "
                "max_load_seconds"
            ) from error
        _log.info("model %s has digest %s", name, model.digest)
        if model.chosen is not None:
            _log.info("model %s is run by %s: %s", name, model.chosen.backend, model.chosen.reason)
        return model

    def _inside(self, folder: str) -> Path:
        if self._model_folder is None:
            raise InvalidRequestError("folder", "this server has no model folder; set model_folder in its settings")
        root = self._model_folder.resolve()
        try:
            place = (root / folder).resolve()
            place.is_dir()
        except (OSError, RuntimeError, ValueError) as error:  # too long a name, a loop of links, a NUL byte
            raise InvalidRequestError("folder", "is no path") from error
        if not folder or root not in place.parents:
            raise InvalidRequestError("folder", "lies outside the model folder; name a folder inside it")
        return place


def _named(reference: str) -> str:
    if not reference:
        raise InvalidRequestError("model", "not set; say which")
    return reference
