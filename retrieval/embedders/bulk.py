"""The default embedder, whose bulk runs in 16 bits where the machine is made for that.

A GPU, or a processor with AMX, multiplies bfloat16 several times as fast as numpy multiplies float32, and the vectors
are the same but for a cosine of 0.9999. Decision: docs/decisions/0027-bulk-in-sixteen-bits.md.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from retrieval.embedding import MiniLM, Places, Vectors, installed_folder

AFTER = 1000
"""Texts that a process has embedded before torch is loaded, which takes as long as some 300 of them."""
MANY = 16
"""Fewer at a time do not count: a bot's questions would have torch loaded, and never use it."""
LEAST_TOKENS = 512
"""In a smaller batch there is little to gain; and so a question's vector is the same at all times."""

_log = logging.getLogger(__name__)


def suited_device(
    device: str, processor: Path = Path("/proc/cpuinfo"), driver: Path = Path("/dev/nvidiactl")
) -> str | None:
    """The torch device (cuda or cpu) that 16 bits are faster on, as far as `device` (auto, cpu, cuda) allows it.

    None where there is none, or no torch.
    """
    if find_spec("torch") is None or find_spec("transformers") is None:
        return None
    if device == "cuda" or (device == "auto" and driver.exists()):
        return "cuda"
    # AVX512-BF16 alone was not measured; AVX2 is twelve times slower so than in float32.
    return "cpu" if processor.exists() and "amx_bf16" in processor.read_text().split() else None


class BulkMiniLM(MiniLM):
    """`MiniLM`, which after some texts goes on in 16 bits on the device that `suited` names, if it names one.

    Batches run in `workers` threads there, too. Where torch fails, numpy goes on. Safe from several threads.
    """

    def __init__(
        self,
        device: str = "auto",
        *,
        suited: Callable[[], str | None] | None = None,
        after: int = AFTER,
        workers: int | None = None,
    ) -> None:
        super().__init__(workers=workers)
        self._suited = suited or partial(suited_device, device)
        self._left = after
        self._changing = threading.Lock()
        self._bert: Any = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of shape (len(texts), 384); raises `EmbedderMissing` if the model is not installed."""
        vectors = super().embed(texts)
        if len(texts) < MANY:
            return vectors
        with self._changing:
            before, self._left = self._left, self._left - len(texts)
            if before >= 0 > self._left:
                self._change()
        return vectors

    def _change(self) -> None:
        device = self._suited()
        if device is None:
            return
        try:
            self._bert = _bert(device)
        except Exception as error:  # noqa: BLE001 - whatever torch, its files or a driver has to say
            self._give_up(error)
        else:
            self._least_tokens = LEAST_TOKENS
            _log.info("Texts are embedded in 16 bits on %s", device)

    def _give_up(self, error: Exception) -> None:
        self._bert = None
        _log.warning("Texts are embedded in numpy, because torch says: %s", str(error).split("\n")[0])

    def _states(self, sequences: Sequence[Sequence[int]], borders: Places) -> Vectors:
        bert = self._bert
        if bert is not None and borders[-1] >= LEAST_TOKENS:
            try:
                return _states(bert, sequences)
            except RuntimeError as error:  # such as a GPU that others have filled
                self._give_up(error)
        return super()._states(sequences, borders)


def _states(bert: Any, sequences: Sequence[Sequence[int]]) -> Vectors:
    """The last states of some texts' tokens, one text after the other, (tokens, dimensions)."""
    # torch is loaded by those alone who gain by it.
    import torch
    from torch.nn.utils.rnn import pad_sequence

    rows = [torch.tensor(ids) for ids in sequences]
    ids = pad_sequence(rows, batch_first=True).to(bert.device)
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True).to(bert.device)
    with torch.inference_mode():
        states = bert(input_ids=ids, attention_mask=mask).last_hidden_state[mask.bool()]
    vectors: Vectors = states.float().cpu().numpy()
    return vectors


def _bert(device: str) -> Any:
    """The encoder in torch, which has multiplied once."""
    # torch is loaded by those alone who gain by it.
    import torch
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    folder = installed_folder()
    # Not by from_pretrained, which draws progress bars and looks for quantizers.
    bert: Any = BertModel(BertConfig.from_pretrained(folder, local_files_only=True))
    weights = load_file(folder / "model.safetensors")
    weights.pop("embeddings.position_ids", None)  # older versions saved this table of 0, 1, 2, …
    bert.load_state_dict(weights)
    bfloat16 = device == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
    dtype = torch.bfloat16 if bfloat16 else torch.float16
    bert.eval().to(device=device, dtype=dtype)
    with torch.inference_mode():
        bert(input_ids=torch.zeros((1, 8), dtype=torch.long, device=device))
    return bert
