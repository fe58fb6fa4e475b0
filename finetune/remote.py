"""A model server that speaks OpenAI's protocol (vLLM and the like) in place of a model in this process; no torch."""

from langchain.chat_models import init_chat_model
from langchain_core.language_models.chat_models import BaseChatModel


def remote_chat_model(url: str, model: str, api_key: str | None, max_tokens: int) -> BaseChatModel:
    """The chat model `model` of the server whose API root is `url` (as in http://host:8000/v1), at temperature 0."""
    return init_chat_model(
        model,
        model_provider="openai",
        base_url=url,
        api_key=api_key or "none",  # a server without keys takes any; the client insists on one
        max_tokens=max_tokens,
        temperature=0,
        stream_usage=True,
        timeout=120,
        max_retries=1,
    )
