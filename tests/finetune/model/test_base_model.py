"""The embedded model: a true Phi-3 of the package's weights, built once, whole or not at all."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from finetune.model.base_model import MANIFEST, build_embedded_model, embedded_source
from finetune.model.chat_model import Phi3Chat, load_chat_model
from tests.finetune.model.likelihood import mean_log_likelihood


class Writer:
    """Writes a model of one file, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path, source: Path) -> None:
        self.calls += 1
        (folder / "model.safetensors").write_bytes(source.read_bytes() * 2)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A package's file."""
    file = tmp_path / "small.gguf"
    file.write_bytes(b"weights")
    return file


def test_builds_once(tmp_path: Path, source: Path) -> None:
    """A second call finds the model and writes nothing; nothing else is left beside it but the lock."""
    write = Writer()
    for _ in range(2):
        assert build_embedded_model(tmp_path / "home" / "model", source=source, write=write) == tmp_path / "home/model"
    assert write.calls == 1
    assert sorted(os.listdir(tmp_path / "home")) == [".model.lock", "model"]
    assert json.loads((tmp_path / "home/model" / MANIFEST).read_text())["files"] == {"model.safetensors": 14}


@pytest.mark.parametrize("damage", ["cut", "lost", "manifest", "package"])
def test_builds_anew_what_is_not_whole(tmp_path: Path, source: Path, damage: str) -> None:
    """A file that is cut or lost, a missing manifest and a changed package each lead to a fresh build."""
    write, folder = Writer(), tmp_path / "model"
    build_embedded_model(folder, source=source, write=write)
    if damage == "cut":
        (folder / "model.safetensors").write_bytes(b"w")
    elif damage == "lost":
        (folder / "model.safetensors").unlink()
    elif damage == "manifest":
        (folder / MANIFEST).unlink()
    else:
        source.write_bytes(b"newer weights")
    build_embedded_model(folder, source=source, write=write)
    assert write.calls == 2
    assert (folder / "model.safetensors").read_bytes() == source.read_bytes() * 2


def test_a_failed_build_changes_nothing(tmp_path: Path, source: Path) -> None:
    """A build that dies midway leaves the old model as it was, and the next one starts clean."""
    folder = tmp_path / "model"
    build_embedded_model(folder, source=source, write=Writer())
    source.write_bytes(b"newer weights")

    def die(aside: Path, _: Path) -> None:
        (aside / "half").touch()
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        build_embedded_model(folder, source=source, write=die)
    assert (folder / "model.safetensors").read_bytes() == b"weightsweights"
    build_embedded_model(folder, source=source, write=Writer())
    assert sorted(os.listdir(folder)) == [MANIFEST, "model.safetensors"]


def test_builders_at_once_build_once(tmp_path: Path, source: Path) -> None:
    """Of several that start together one builds; the others wait and find it done."""
    write = Writer()
    with ThreadPoolExecutor(8) as pool:
        builds = [pool.submit(build_embedded_model, tmp_path / "m", source=source, write=write) for _ in range(8)]
    assert {build.result() for build in builds} == {tmp_path / "m"}
    assert write.calls == 1


@pytest.fixture(scope="module")
def chat(embedded_model: Path) -> Phi3Chat:
    """The embedded model, loaded."""
    return load_chat_model(embedded_model, device="cpu", max_tokens=40)


@pytest.mark.slow
def test_logits_are_those_of_the_package(chat: Phi3Chat) -> None:
    """The Phi-3 computes bit by bit what transformers computes from the package's file as a Llama, in float32.

    A smaller precision would lose some of the weights.
    """
    import torch
    from transformers import LlamaForCausalLM

    source = embedded_source()
    llama: Any = LlamaForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    ids = torch.randint(0, llama.config.vocab_size, (2, 48), generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        assert (chat._loaded.model(ids).logits - llama.eval()(ids).logits).abs().max() == 0.0
    weight = llama.model.layers[0].mlp.down_proj.weight
    assert not any(torch.equal(weight, weight.to(dtype).float()) for dtype in (torch.bfloat16, torch.float16))


@pytest.mark.slow
def test_tokenizer_is_that_of_the_package(chat: Phi3Chat) -> None:
    """Tokens and template are the file's; every digit is a token, and line breaks before one stay together."""
    from transformers import AutoTokenizer

    source = embedded_source()
    theirs = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    ours = chat._loaded.tokenizer
    text = "Ölstand – prüfen: it's 250 h,\tthen 中文 🛢️!  \n\nDone.<|im_end|>\n<|im_start|>user\n"
    assert ours(text)["input_ids"] == theirs(text)["input_ids"]
    assert ours.decode(ours(text)["input_ids"]) == text
    assert (ours.chat_template, ours.special_tokens_map) == (theirs.chat_template, theirs.special_tokens_map)
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.tokenize("a\n\n1. x 250") == ["a", "ĊĊ", "1", ".", "Ġx", "Ġ", "2", "5", "0"]


@pytest.mark.slow
def test_every_end_token_is_saved(embedded_model: Path) -> None:
    """Both <|im_end|> (2) and <|endoftext|> (0) end an answer, for any program that reads the folder."""
    assert json.loads((embedded_model / "generation_config.json").read_text())["eos_token_id"] == [2, 0]


@pytest.mark.slow
def test_answers_from_its_context(chat: Phi3Chat) -> None:
    """Given a passage and a question it answers with the passage's fact, and ends by itself."""
    passage = "The coolant tank of the VM-20 mill holds 80 litres."
    messages = [
        SystemMessage("Answer in one short sentence from the passage."),
        HumanMessage(f"Passage: {passage}\n\nQuestion: How many litres does the coolant tank hold?"),
    ]
    answer = chat.invoke(messages)
    assert "80" in answer.text
    assert answer.response_metadata["finish_reason"] == "stop"
    likely, unlikely = " It holds 80 litres.", " Hens sold 31 verbs."
    assert mean_log_likelihood(chat, passage, likely) > mean_log_likelihood(chat, passage, unlikely)


@pytest.mark.slow
def test_lookup_keeps_the_text(chat: Phi3Chat) -> None:
    """On a real prompt, guessing from the prompt writes the same words as decoding token by token."""
    facts = "The spindle is greased every 250 hours with NBU 15. The coolant is checked weekly. " * 4
    messages = [HumanMessage(f"{facts}\nRepeat what is said about the spindle, word for word.")]
    plain = chat.model_copy(update={"prompt_lookup_tokens": 0})
    assert chat.invoke(messages).text == plain.invoke(messages).text


@pytest.mark.slow
def test_loads_from_a_copy_elsewhere(embedded_model: Path, tmp_path: Path) -> None:
    """The folder is complete in itself: linked to another place it is current and needs no rebuild."""
    folder = Path(shutil.copytree(embedded_model, tmp_path / "linked", copy_function=os.link))
    before = os.stat(folder / "model.safetensors").st_ino
    build_embedded_model(folder)
    assert os.stat(folder / "model.safetensors").st_ino == before
