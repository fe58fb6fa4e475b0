"""Any model of sentence-transformers, by its name on the hub or its folder, run by torch.

torch and sentence-transformers are imported when the first text comes.
"""

import json
import threading
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.embedders.prompts import Prompts, family_prompts
from retrieval.embedding import EmbedderMissing, Vectors

# Neither pickles nor code: what a model of safetensors is made of.
FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
BATCH = 32


class TorchEmbedder:
    """`model` as its configuration says: its prompts, its pooling, its longest text. Safe from several threads.

    With `dimensions` the vectors are cut to so many, which only models trained for it bear (arXiv 2205.13147). Only
    safetensors are read, and no code of the model's is run. `device` is auto, cpu or cuda. Raises EmbedderMissing.
    """

    def __init__(self, name: str, model: str, dimensions: int | None = None, device: str = "auto") -> None:
        self.name, self._source, self._requested_dimensions, self._device = name, model, dimensions, device
        self._using = threading.Lock()  # its tokenizer cannot be used by two threads at once
        self._model: Any = None
        self._prompts = Prompts()

    @property
    def dimensions(self) -> int:
        """The dimensions of the model, which is loaded to say it."""
        with self._using:
            return int(self._loaded().get_embedding_dimension())

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of shape (len(texts), dimensions)."""
        with self._using:
            return self._encode(self._loaded().encode_document, list(texts), "document")

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of a question, of shape (dimensions,)."""
        with self._using:
            return np.asarray(self._encode(self._loaded().encode_query, [text], "query")[0])

    def _encode(self, encode: Any, texts: list[str], kind: str) -> Vectors:
        if not texts:
            return np.zeros((0, int(self._model.get_embedding_dimension())), dtype=np.float32)
        # A prompt of the model's own wins: it is what None stands for.
        prompt = None if self._model.prompts.get(kind) else getattr(self._prompts, kind) or None
        vectors = encode(texts, prompt=prompt, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    def _loaded(self) -> Any:
        if self._model is None:
            try:
                from sentence_transformers import SentenceTransformer  # an extra, and torch with it
            except ImportError as error:
                raise EmbedderMissing(
                    f"The embedding model {self.name} needs sentence-transformers: pip install 'journeyman[embedders]'."
                ) from error
            folder = files_of(self._source)
            self._prompts = family_prompts(self._source)
            try:
                refuse_own_code(self._source, folder)
                self._model = SentenceTransformer(
                    str(folder),
                    device=None if self._device == "auto" else self._device,
                    truncate_dim=self._requested_dimensions,
                    trust_remote_code=False,
                    local_files_only=True,
                    model_kwargs={"use_safetensors": True},
                )
            except (OSError, ValueError, ImportError) as error:
                raise EmbedderMissing(
                    f"The embedding model {self._source} cannot be loaded ({str(error).splitlines()[0]})."
                ) from error
        return self._model


def refuse_own_code(source: str, folder: Path) -> None:
    """Raises EmbedderMissing for a model that its own code has to run: the library would take it for the one that it
    resembles, and fill in at random what that has and it has not.
    """
    import transformers  # seconds, for those alone who name such a model

    for path in sorted(folder.rglob("config.json")):
        if unknown := unknown_classes(json.loads(path.read_text(encoding="utf-8")), dir(transformers)):
            raise EmbedderMissing(
                f"The model {source} is made of code of its own ({', '.join(unknown)}), which is not run here: choose "
                f"one that transformers {transformers.__version__} knows, or serve it and name it as openai:MODEL."
            )


def unknown_classes(config: Mapping[str, Any], known: Container[str]) -> list[str]:
    """The classes that a model brings code for and that are not `known`, by its config.json; none without such code."""
    auto = ("AutoConfig", "AutoModel")
    mapped = {kind: name for kind, name in config.get("auto_map", {}).items() if kind.startswith(auto)}
    if not mapped:
        return []
    names = {str(name).rpartition(".")[2] for name in mapped.values()} | set(config.get("architectures") or ())
    return sorted(name for name in names if name not in known)


def files_of(source: str) -> Path:
    """The folder of a model: the one that is named, or the hub's, of which only the needed files are fetched."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        for pickled in (file for pattern in PICKLES for file in folder.rglob(pattern)):
            if not any(pickled.parent.glob("*.safetensors")):
                raise EmbedderMissing(
                    f"{pickled} is a pickle, which could run anything: {source} is needed as safetensors."
                )
        return folder
    # Late, as all of transformers.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(source, allow_patterns=list(FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise EmbedderMissing(
            f"There is no model {source!r}: neither a folder of that name, nor one on the hub that can be "
            f"reached from here."
        ) from error
