"""Every setting of Journeyman, read once from the environment and `.env`: the only place that does."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from platformdirs import user_data_path
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

SECRETS = Path("/run/secrets")
"""Where containers find the secrets that they are given, a file each."""


class SecretFiles(SecretsSettingsSource):
    """Files that are named as settings, in small letters. An empty one is no value, like an empty variable."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The text of the setting's file, its key, and whether it is JSON."""
        text, key, is_complex = super().get_field_value(field, field_name)
        return text or None, key, is_complex


class Settings(BaseSettings):
    """Environment variables with the prefix JOURNEYMAN_; Slack's own names stay as its tools have them."""

    model_config = SettingsConfigDict(
        env_prefix="JOURNEYMAN_",
        env_file=".env",
        env_ignore_empty=True,
        env_nested_delimiter="__",
        extra="ignore",
        validate_by_name=True,
        hide_input_in_errors=True,
    )

    home: Path = Field(default_factory=lambda: user_data_path("journeyman"), description="Folder for all state.")
    database_url: SecretStr | None = Field(
        default=None, description="A PostgreSQL with pgvector 0.8 or newer, in place of the embedded one."
    )
    database_password: SecretStr | None = Field(
        default=None, description="The password for DATABASE_URL, where that names none."
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
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where models run.")
    gpu_first: Literal["answers", "nobody"] = Field(
        default="answers",
        description="`answers`: on a GPU, fine-tuning waits between two steps while somebody answers or embeds.",
    )
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
    index_queue: Literal["ingest", "embed"] = Field(
        default="ingest",
        description="Where documents are indexed: `embed` if the embedding model runs on the GPU of that worker.",
    )
    answers: Literal["auto", "model", "quotes"] = Field(
        default="auto",
        description="Whose words lead an answer: the `model`'s, the documents' `quotes`, or `auto`, as was measured.",
    )
    passage_tokens: int | None = Field(
        default=None,
        ge=100,
        description="Tokens of passages that the model reads for an answer; empty: what fits it.",
    )
    model_judges: bool = Field(
        default=False, description="Whether a model that leads is first asked if the passages answer the question."
    )
    rewrite_followups: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Whether the model rewrites a follow-up so that it stands alone, before the search; `auto`: where "
        "`journeyman calibrate` found that it helps.",
    )
    examples: int = Field(
        default=0,
        ge=0,
        le=8,
        description="How many verified answers, the nearest to the question, the model is shown as examples of tone.",
    )
    reranker: str = Field(
        default="late-interaction",
        description="What reorders the passages that search found: late-interaction, none, or a cross-encoder's folder "
        "or hub id.",
    )

    finetune_floor: int = Field(
        default=100,
        ge=1,
        description="New clusters of reviewed questions from which on the schedule starts a round of fine-tuning.",
    )
    finetune_hours: float = Field(default=24.0, gt=0, description="How often it is looked whether there are so many.")
    finetune_method: Literal["sft", "kto", "dpo"] = Field(default="sft", description="How a scheduled round learns.")
    finetune_questions: int = Field(
        default=30, ge=1, description="Clusters of held-out questions below which the gate passes nothing."
    )
    finetune_margin: float = Field(
        default=0.0, ge=0, description="By how much, at the least, an adapter must be better to be promoted."
    )
    finetune_promote: Literal["automatic", "by hand"] = Field(
        default="automatic", description="Whether an adapter that the gate passed answers at once."
    )
    finetune_trial_percent: int = Field(
        default=0, ge=0, le=99, description="Share of people that a new adapter answers first; 0: all at once."
    )
    golden_questions: Path | None = Field(
        default=None, description="A question set (JSONL) that every adapter is evaluated with, and none is trained on."
    )

    judge_url: str | None = Field(
        default=None, description="An OpenAI-compatible server whose model judges answers when an adapter is evaluated."
    )
    judge_model: str | None = Field(default=None, description="Its model; the first that it lists if none is named.")
    judge_api_key: SecretStr | None = Field(default=None, description="Key for the server in JUDGE_URL.")

    max_file_megabytes: int = Field(default=50, ge=1, description="Larger files are reported and left out.")
    parse_seconds: float = Field(default=120, gt=0, description="A file that takes longer to parse is left out.")
    parse_megabytes: int = Field(
        default=2000, ge=300, description="Memory for parsing; a file needing more is left out."
    )
    max_pdf_pages: int = Field(default=2000, ge=1, description="A PDF of more pages is reported and left out.")
    ocr: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_]+(\+[A-Za-z_]+)*$",
        description="Languages, as `eng+deu`, in which an installed tesseract reads scanned pages of PDF files.",
    )
    scan_minutes: int = Field(default=15, ge=1, description="How often `journeyman up` looks for changed documents.")
    source_secrets: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Tokens and URLs of sources by name: `JOURNEYMAN_SOURCE_SECRETS__WIKI=…` is the secret `wiki`.",
    )
    web_delay_seconds: float = Field(default=1.0, ge=0, description="Least time between two requests to a web host.")
    web_private_hosts: bool = Field(
        default=False, description="Whether sources may be on hosts with private addresses, as of an intranet."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Least level logged.")
    log_messages: bool = Field(default=False, description="Whether the texts of questions and answers are logged, too.")
    traces_url: str | None = Field(
        default=None, description="An OpenTelemetry collector (OTLP over HTTP) for a span of each answer and each job."
    )

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
        le=65532,
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

    @field_validator("rewrite_followups", mode="before")
    @classmethod
    def _switched(cls, value: object) -> object:
        """As it was written before it could be measured."""
        return {"true": "on", "1": "on", "false": "off", "0": "off"}.get(str(value).lower(), value)

    @field_validator("traces_url")
    @classmethod
    def _can_trace(cls, value: str | None) -> str | None:
        if value and not find_spec("opentelemetry"):
            raise ValueError("it needs pip install 'journeyman[otel]'")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes first, then `.env`, then files of secrets, whose folder is not on every machine."""
        folder = getattr(file_secret_settings, "secrets_dir", None) or (SECRETS if SECRETS.is_dir() else None)
        return init_settings, env_settings, dotenv_settings, SecretFiles(settings_cls, folder)

    @model_validator(mode="after")
    def _with_password(self) -> Self:
        if self.database_url and self.database_password:
            from psycopg.conninfo import conninfo_to_dict, make_conninfo

            address = self.database_url.get_secret_value()
            if "password" not in conninfo_to_dict(address):
                password = self.database_password.get_secret_value()
                self.database_url = SecretStr(make_conninfo(address, password=password))
        return self

    @property
    def on_gpu(self) -> bool:
        """Whether models are on a GPU here, without loading torch to ask."""
        return self.device == "cuda" or (self.device == "auto" and Path("/dev/nvidiactl").exists())

    @field_validator("admins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def slack_is_set_up(settings: Settings) -> bool:
    """Whether there are tokens enough to run the bot, in Socket Mode or over HTTP."""
    return bool(settings.slack_bot_token and (settings.slack_app_token or settings.slack_signing_secret))


def reveal(secret: SecretStr | None) -> str | None:
    """The text of a secret setting, for the part that must send it."""
    return secret.get_secret_value() if secret else None
