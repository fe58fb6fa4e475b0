"""Every setting of Journeyman, read once from the environment and `.env`: the only place that does."""

from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_data_path
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Environment variables with the prefix JOURNEYMAN_; Slack's own names stay as its tools have them."""

    model_config = SettingsConfigDict(
        env_prefix="JOURNEYMAN_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        validate_by_name=True,
        hide_input_in_errors=True,
    )

    home: Path = Field(default_factory=lambda: user_data_path("journeyman"), description="Folder for all state.")
    database_url: SecretStr | None = Field(
        default=None, description="A PostgreSQL with pgvector 0.8 or newer, in place of the embedded one."
    )
    redis_url: SecretStr | None = Field(default=None, description="A Redis, in place of the embedded one.")

    model: str = Field(
        default="embedded",
        description=("The Phi-3 that answers: `embedded` (a small one from its package), a local folder, or a hub id."),
    )
    model_revision: str | None = Field(default=None, description="Revision of a hub model, to pin it.")
    model_url: str | None = Field(
        default=None, description="An OpenAI-compatible server (vLLM and the like) to answer instead."
    )
    model_api_key: SecretStr | None = Field(default=None, description="Key for the server in MODEL_URL.")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where the model runs.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="The model's precision: `auto` is float32 on CPU, bfloat16 on GPU."
    )
    quantize: Literal["none", "4bit"] = Field(
        default="none", description="`4bit` loads the model in NF4 with double quantization (bitsandbytes)."
    )
    threads: int = Field(default=1, ge=1, description="CPU threads of the model and of the embedder.")
    max_answer_tokens: int = Field(default=160, ge=16, description="Most tokens that the model writes for an answer.")

    embedder: str = Field(
        default="all-MiniLM-L6-v2",
        description="The embedding model of a new index; `journeyman embedder` changes that of an old one.",
    )
    embedder_url: str = Field(
        default="https://api.openai.com/v1", description="The server of embedding models named `openai:…`."
    )
    embedder_api_key: SecretStr | None = Field(default=None, description="Key for the server in EMBEDDER_URL.")
    embedder_requests_per_minute: int = Field(default=0, ge=0, description="Most requests to it; 0 for no limit.")

    max_file_megabytes: int = Field(default=50, ge=1, description="Larger files are reported and left out.")
    scan_minutes: int = Field(default=15, ge=1, description="How often `journeyman up` looks for changed documents.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Least level logged.")

    slack_bot_token: SecretStr | None = Field(default=None, alias="SLACK_BOT_TOKEN", description="xoxb-… of the app.")
    slack_app_token: SecretStr | None = Field(
        default=None, alias="SLACK_APP_TOKEN", description="xapp-… with connections:write, for Socket Mode."
    )
    slack_signing_secret: SecretStr | None = Field(
        default=None, alias="SLACK_SIGNING_SECRET", description="For HTTP events in place of Socket Mode."
    )
    slack_api_url: str = Field(
        default="https://slack.com/api/", alias="SLACK_API_URL", description="Another Slack server."
    )
    http_host: str = Field(default="127.0.0.1", description="Address for Slack's HTTP events.")
    http_port: int = Field(default=3000, ge=0, le=65535, description="Port for Slack's HTTP events.")
    metrics_host: str = Field(default="127.0.0.1", description="Address for /metrics, /healthz and /readyz.")
    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65533,
        description="Port of bot, worker or beat for /metrics, /healthz and /readyz; 0: none.",
    )
    questions_per_person: int = Field(
        default=120, ge=0, description="Most questions of one person within an hour; 0 for no limit."
    )
    questions_per_hour: int = Field(
        default=2000, ge=0, description="Most questions of everybody within an hour; 0 for no limit."
    )
    admins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Slack ids of the admins, people or user groups, comma separated."
    )

    @field_validator("admins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
