"""A model server that speaks OpenAI's protocol (vLLM and the like), in place of a model in this process.

Same surface as `chat_model.Phi3Chat` where a server can offer it: the answer chain takes either. No torch.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from threading import Event
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel, generate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from finetune.errors import ModelUnusable

SECONDS = 120  # to the first byte of an answer, and between two of them
LISTING_SECONDS = 10
UNNAMED = "default"  # for a server that serves one model and lists none
NO_KEY = "none"  # a server without keys takes any, but the client insists on one


def remote_chat_model(url: str, model: str | None, api_key: str | None, max_tokens: int) -> "RemoteChat":
    """What the server with the API root `url` (http://host:8000/v1) calls `model`, at temperature 0.

    Without a `model` it is the first that the server lists; an API root without its /v1 is found, too.
    """
    url, listed = _first_model(url, api_key) if model is None else (url, None)
    model = model or listed or UNNAMED
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
    return RemoteChat(client, model_name=model, url=url, max_tokens=max_tokens)


def _first_model(url: str, api_key: str | None) -> tuple[str, str | None]:
    """The API root that answers and the first model it lists; None where it lists none, which a call will explain."""
    import httpx

    headers = {"Authorization": f"Bearer {api_key or NO_KEY}"}
    for root in (url.rstrip("/"), url.rstrip("/") + "/v1"):
        try:
            answer = httpx.get(f"{root}/models", headers=headers, timeout=LISTING_SECONDS)
            return root, str(answer.raise_for_status().json()["data"][0]["id"])
        except (httpx.HTTPError, ValueError, LookupError, TypeError):
            continue
    return url, None


class RemoteChat(BaseChatModel):
    """A chat model behind a URL. A call raises ModelUnusable, saying what to do, when the server fails it.

    `stream` and `invoke` take `max_tokens` and `cancel` (a threading.Event) per call; closing a stream closes
    the connection, at which the server stops writing.
    """

    model_name: str
    url: str
    adapter: str | None = None
    max_tokens: int

    _client: BaseChatModel = PrivateAttr()

    def __init__(self, client: BaseChatModel, **fields: Any) -> None:
        super().__init__(**fields)
        self._client = client

    @property
    def _llm_type(self) -> str:
        return "openai-compatible"

    def render(self, messages: Sequence[BaseMessage]) -> str:
        """What the server is given, as a transcript: its chat template is its own and not known here."""
        return "\n\n".join(f"{message.type}: {message.text}" for message in messages)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

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
        chunks: Any = self._client._stream(messages, stop, extra_body=limit, **kwargs)
        with self._failures_explained(), closing(chunks):
            for chunk in chunks:
                if cancel is not None and cancel.is_set():
                    return
                finished = finished or bool((chunk.generation_info or {}).get("finish_reason"))
                yield chunk
        if not finished:
            raise ModelUnusable(f"The model server {self.url} broke off in the middle of an answer: ask again.")

    @contextmanager
    def _failures_explained(self) -> Iterator[None]:
        import httpx
        import openai

        try:
            yield
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise ModelUnusable(
                f"The model server {self.url} refuses the key: check JOURNEYMAN_MODEL_API_KEY."
            ) from error
        except openai.NotFoundError as error:
            raise ModelUnusable(
                f"The model server {self.url} does not know {self.model_name}: name one of its models in "
                "JOURNEYMAN_MODEL and the API's root, usually ending in /v1, in JOURNEYMAN_MODEL_URL."
            ) from error
        except openai.APIStatusError as error:
            raise ModelUnusable(
                f"The model server {self.url} answered with status {error.status_code}: look at its log."
            ) from error
        except (openai.APIError, httpx.HTTPError) as error:
            raise ModelUnusable(
                f"The model server {self.url} does not answer: check that it runs, and JOURNEYMAN_MODEL_URL."
            ) from error
