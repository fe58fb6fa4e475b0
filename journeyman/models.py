"""From settings to models: the chat model, where it lies, and the server of embedding models."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from journeyman.settings import Settings, reveal
from retrieval.embedders import Api

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


EMBEDDED_MODEL = "embedded"


def embedding_api(settings: Settings) -> Api:
    """The server of embedding models that the settings name."""
    key, per_minute = reveal(settings.embedder_api_key), settings.embedder_requests_per_minute
    return Api(settings.embedder_url, key, per_minute)


def build_model(settings: Settings) -> "BaseChatModel":
    """The chat model that the settings name: a server's, the embedded one, a local folder's or the hub's."""
    if settings.model_url:
        from finetune.model.remote import remote_chat_model

        name = None if settings.model == EMBEDDED_MODEL else settings.model
        key = reveal(settings.model_api_key)
        return remote_chat_model(settings.model_url, name, key, settings.max_answer_tokens)
    if settings.model == EMBEDDED_MODEL or Path(settings.model).is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read at import: no look-ups for a model that lies here
    from finetune.model.chat_model import load_chat_model

    return load_chat_model(
        model_place(settings),
        revision=settings.model_revision,
        device=settings.device,
        dtype=settings.dtype,
        quantize=settings.quantize,
        threads=settings.threads,
        max_tokens=settings.max_answer_tokens,
    )


def base_name(settings: Settings) -> str:
    """The model that adapters are trained over, as the settings name it, with its revision if they pin one."""
    revision = settings.model_revision
    return f"{settings.model}@{revision}" if revision else settings.model


def model_place(settings: Settings) -> str | Path:
    """The folder or hub id of the settings' model; the embedded one is built when it is first asked for."""
    if settings.model != EMBEDDED_MODEL:
        return settings.model
    from finetune.model.base_model import build_embedded_model

    return build_embedded_model(embedded_model_folder(settings.home))


def embedded_model_folder(home: Path) -> Path:
    """Where the embedded model is built, once per home."""
    return home.expanduser().absolute() / "models" / EMBEDDED_MODEL
