"""A model server that speaks OpenAI's protocol (vLLM and the like), in place of a model in this process.

Same surface as `chat_model.Phi3Chat` where a server can offer it: the answer chain takes either. No torch.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import openai
from langchain.chat_models import init_chat_model
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk
from pydantic import PrivateAttr

from finetune.errors import ModelUnusable
from finetune.model import first_token
from finetune.model.control_tokens import broken
from finetune.model.streaming import StreamingChat

SECONDS = 120  # to the first byte of an answer, and between two of them
LISTING_SECONDS = 10
UNNAMED = "default"  # for a server that serves one model and lists none
ALTERNATIVES = 20
"""First tokens that a server is asked to tell, as many as OpenAI's API allows:
https://platform.openai.com/docs/api-reference/chat/create
"""
NO_KEY = "none"  # a server without keys takes any, but the client insists on one


def remote_chat_model(url: str, model: str | None, api_key: str | None, max_tokens: int) -> "RemoteChat":
    """What the server with the API root `url` (http://host:8000/v1) calls `model`, at temperature 0.

    Without a `model` it is the first that the server lists; an API root without its /v1 is found, too.
    """
    url, listed = _listed(url, api_key)
    entry = next((entry for entry in listed if model in (None, entry.get("id"))), {})
    model = model or entry.get("id") or UNNAMED
    client = init_chat_model(
        model,
        model_provider="openai",
        base_url=url,
        api_key=api_key or NO_KEY,
        temperature=0,
        stream_usage=True,
        use_responses_api=False,
        timeout=SECONDS,
        max_retries=1,
    )
    window = _window(entry)
    return RemoteChat(
        client, api_key or NO_KEY, model_name=model, url=url, max_tokens=max_tokens, context_tokens=window
    )


def _window(listed: Mapping[str, Any]) -> int | None:
    """How many tokens a model that is listed takes: vLLM says max_model_len, llama.cpp n_ctx; most others nothing."""
    meta = listed.get("meta") or {}
    window = listed.get("max_model_len") or meta.get("n_ctx")
    return int(window) if isinstance(window, int | float) and window > 0 else None


def _listed(url: str, api_key: str | None) -> tuple[str, list[Mapping[str, Any]]]:
    """The API root that answers and the models it lists; none where it does not, which a call will explain."""
    headers = {"Authorization": f"Bearer {api_key or NO_KEY}"}
    for root in (url.rstrip("/"), url.rstrip("/") + "/v1"):
        try:
            answer = httpx.get(f"{root}/models", headers=headers, timeout=LISTING_SECONDS)
            listed = [entry for entry in answer.raise_for_status().json()["data"] if entry["id"]]
            if listed:
                return root, listed
        except (httpx.HTTPError, ValueError, LookupError, TypeError):
            continue
    return url, []


class RemoteChat(StreamingChat):
    """A chat model behind a URL. A call raises ModelUnusable, saying what to do, when the server fails it.

    `stream` and `invoke` take `max_tokens` and `cancel` (a threading.Event) per call; closing a stream closes
    the connection, at which the server stops writing.
    """

    model_name: str
    url: str
    adapter: str | None = None
    max_tokens: int
    context_tokens: int | None = None

    _client: BaseChatModel = PrivateAttr()
    _key: str = PrivateAttr()
    _folder: Path | None = PrivateAttr(default=None)

    def __init__(self, client: BaseChatModel, key: str = NO_KEY, **fields: Any) -> None:
        super().__init__(**fields)
        self._client, self._key = client, key

    def with_adapter(self, folder: Path | None) -> "RemoteChat":
        """The same server's model with the adapter in `folder`, which it knows by the folder's name, or with none."""
        other = self.model_copy(update={"adapter": folder.name if folder else None})
        other._folder = folder
        return other

    def warm_up(self) -> None:
        """Have the server load the adapter and compute with it. Raises ModelUnusable if it cannot."""
        self.invoke([HumanMessage("?")], max_tokens=1)

    @property
    def _llm_type(self) -> str:
        return "openai-compatible"

    def render(self, messages: Sequence[BaseMessage]) -> str:
        """What the server is given, as a transcript: its chat template is its own and not known here."""
        return "\n\n".join(f"{message.type}: {broken(message.text)}" for message in messages)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        max_tokens: int | None = None,
        cancel: Event | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        # `max_tokens` is the name every such server knows; the client would write OpenAI's newer one.
        limit = {"max_tokens": max_tokens or self.max_tokens}
        finished = False
        name = {"model": self.adapter or self.model_name}
        with (
            self._failures_explained(),
            closing(self._begun(messages, stop, extra_body=limit, **name, **kwargs)) as chunks,
        ):
            for chunk in chunks:
                if cancel is not None and cancel.is_set():
                    return
                finished = finished or bool((chunk.generation_info or {}).get("finish_reason"))
                yield chunk
        if not finished:
            raise ModelUnusable(f"The model server {self.url} broke off in the middle of an answer: ask again.")

    def probability_of_yes(self, messages: Sequence[BaseMessage]) -> float | None:
        """How likely the answer begins with yes rather than no, in [0, 1]; None where the server gives no `logprobs`,
        or neither word is among its first ALTERNATIVES. Raises ModelUnusable.
        """

        arguments = {"logprobs": True, "top_logprobs": ALTERNATIVES, "model": self.adapter or self.model_name}
        try:
            with (
                self._failures_explained(openai.BadRequestError, openai.UnprocessableEntityError),
                closing(self._begun(list(messages), None, extra_body={"max_tokens": 1}, **arguments)) as chunks,
            ):
                first = next(filter(None, map(_alternatives, chunks)), [])
        except (
            openai.BadRequestError,
            openai.UnprocessableEntityError,
        ):  # one that knows no `logprobs` may refuse them
            return None
        return first_token.probability_of_yes(first)

    def _begun(self, messages: list[BaseMessage], stop: list[str] | None, **kwargs: Any) -> Any:
        """The server's stream; one that does not know the adapter yet, as after a restart, is told where it lies.

        A message's text is data: a control token that it spells is broken.
        """

        messages = [message.model_copy(update={"content": broken(message.text)}) for message in messages]
        if self._folder is None:
            return self._client._stream(messages, stop, **kwargs)
        try:
            return _under_way(self._client._stream(messages, stop, **kwargs))
        except openai.NotFoundError:
            status = self._tell("load_lora_adapter", {"lora_name": self._folder.name, "lora_path": str(self._folder)})
        try:  # also if it was refused: another question may have had it loaded meanwhile
            return _under_way(self._client._stream(messages, stop, **kwargs))
        except openai.NotFoundError as error:
            raise ModelUnusable(
                f"The model server {self.url} cannot load the adapter {self._folder.name} (status {status}): it "
                f"needs {self._folder} on its own disk, and adapters switched on (docs/finetuning.md)."
            ) from error

    def unload(self) -> None:
        """Have the server forget the adapter. Never raises: one that stays there costs memory and no answer."""

        if self._folder is not None:
            with suppress(httpx.HTTPError):
                self._tell("unload_lora_adapter", {"lora_name": self._folder.name})

    def _tell(self, call: str, arguments: Mapping[str, str]) -> int:
        """The status of one of vLLM's own calls, which ask for VLLM_ALLOW_RUNTIME_LORA_UPDATING there."""

        return httpx.post(f"{self.url}/{call}", json=arguments, headers=self._headers, timeout=SECONDS).status_code

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"}

    @contextmanager
    def _failures_explained(self, *but: type[Exception]) -> Iterator[None]:
        """Raises ModelUnusable for what the server fails in; `but` rises as it is."""

        try:
            yield
        except but:
            raise
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise ModelUnusable(
                f"The model server {self.url} refuses the key: check JOURNEYMAN_MODEL_API_KEY."
            ) from error
        except openai.NotFoundError as error:
            raise ModelUnusable(
                f"The model server {self.url} does not know {self.adapter or self.model_name}: name one of its "
                "models in JOURNEYMAN_MODEL and the API's root, usually ending in /v1, in JOURNEYMAN_MODEL_URL."
            ) from error
        except openai.APIStatusError as error:
            raise ModelUnusable(
                f"The model server {self.url} answered with status {error.status_code}: look at its log."
            ) from error
        except (openai.APIError, httpx.HTTPError) as error:
            raise ModelUnusable(
                f"The model server {self.url} does not answer: check that it runs, and JOURNEYMAN_MODEL_URL."
            ) from error


def _alternatives(chunk: ChatGenerationChunk) -> list[tuple[str, float]]:
    """The tokens that may stand first, with their log probabilities, if the piece tells them."""
    content = ((chunk.generation_info or {}).get("logprobs") or {}).get("content") or [{}]
    return [(token["token"], token["logprob"]) for token in content[0].get("top_logprobs") or ()]


def _under_way(chunks: Any) -> Any:
    """The stream, once its first piece is there: until then it can be refused."""
    first = next(chunks, None)
    return chunks if first is None else _after(first, chunks)


def _after(first: ChatGenerationChunk, rest: Any) -> Iterator[ChatGenerationChunk]:
    with closing(rest):
        yield first
        yield from rest
