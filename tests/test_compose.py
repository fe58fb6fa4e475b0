"""docker-compose.yml and the Dockerfile keep what the documentation promises about them.

The file is parsed as the Compose specification says, and what is ours is held: commands that exist, health checks,
pinned images, and containers without rights.
"""

import json
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from journeyman.observing.metrics import GAUGES, Metrics
from journeyman.settings import Settings
from workers.topology import GPU_QUEUES, QUEUES

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("journeyman:")}
each_service = pytest.mark.parametrize("name", SERVICES)


def interpolated() -> str:
    """The file as Compose reads it once every variable has its default, or some value."""
    return re.sub(
        r"\$\{\w+(?::[-?]([^}]*))?\}", lambda found: found[1] or "x", (ROOT / "docker-compose.yml").read_text()
    )


def test_file_is_what_the_specification_allows() -> None:
    """No key, duration, size or reference is wrong; a wrong one would be found."""
    PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(interpolated()))).validate()
    wrong = yaml.safe_load(interpolated())
    wrong["services"]["bot"]["helthcheck"] = {}
    with pytest.raises(ValueError, match="helthcheck"):
        PyCompose.from_yaml(yaml.safe_dump(wrong))


@pytest.mark.parametrize("command", sorted({tuple(service["command"]) for service in OURS.values()}))
def test_command_exists(command: tuple[str, ...]) -> None:
    """The command line of each of our services is one that there is, with its options."""
    shown = subprocess.run([sys.executable, "-m", "journeyman", *command, "--help"], capture_output=True)
    assert shown.returncode == 0, shown.stderr.decode()


@each_service
def test_health_is_checked(name: str) -> None:
    """A service that stays has a health check; one that ends once does not restart."""
    service = SERVICES[name]
    assert "healthcheck" in service or service["restart"] == "no"


@each_service
def test_image_is_pinned(name: str) -> None:
    """An image has a version in its tag, so that a restart does not bring a new one."""
    tag = SERVICES[name]["image"].split(":", 1)[1]
    assert re.search(r"\d+\.\d+", tag)
    assert "latest" not in tag


@each_service
def test_container_has_no_rights(name: str) -> None:
    """No container runs as root, writes to its root file system, or gains privileges."""
    service = SERVICES[name]
    assert service["user"].split(":")[0] not in ("root", "0")
    assert service["read_only"] is True
    assert service["tmpfs"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@each_service
def test_resources_are_limited(name: str) -> None:
    """No container can take the machine."""
    limits = SERVICES[name]["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory", "pids"}


@each_service
def test_volumes_and_networks_are_declared(name: str) -> None:
    """A named volume, a network and a dependency are declared in the same file."""
    service = SERVICES[name]
    sources = {volume.split(":")[0] for volume in service["volumes"]}
    assert {source for source in sources if re.fullmatch(r"\w+", source)} <= COMPOSE["volumes"].keys()
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    assert service.get("depends_on", {}).keys() <= SERVICES.keys()


def test_servers_are_not_reachable_from_outside() -> None:
    """PostgreSQL and Redis are on the internal network only, and publish no port."""
    assert COMPOSE["networks"]["data"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["data"]
        assert "ports" not in SERVICES[name]


DATABASE = {"journeyman_database_password"}
EMBEDS = DATABASE | {"journeyman_embedder_api_key", "hf_token"}
INDEXES = EMBEDS | {"journeyman_source_secrets", "slack_bot_token"}
TRAINS = EMBEDS | {"journeyman_model_api_key", "journeyman_judge_api_key"}
NEEDED = {
    "postgres": {"postgres_password"},
    "redis": set(),
    "migrate": DATABASE,
    "beat": DATABASE,
    "worker-control": DATABASE,
    "bot": EMBEDS | {"journeyman_model_api_key", "slack_bot_token", "slack_app_token", "slack_signing_secret"},
    "worker-cpu": INDEXES,
    "worker-embed": INDEXES,
    "worker-gpu": INDEXES,
    "trainer-cpu": TRAINS,
    "trainer-gpu": TRAINS,
    "vllm": {"journeyman_model_api_key", "hf_token"},
    "prometheus": set(),
    "grafana": {"grafana_password"},
    "flower": {"flower_basic_auth"},
}


def secrets_of(name: str) -> set[str]:
    """The files below /run/secrets of a service."""
    return {s if isinstance(s, str) else s["target"] for s in SERVICES[name].get("secrets", ())}


@each_service
def test_service_has_the_secrets_that_it_needs(name: str) -> None:
    """A process that is broken into gives away its own secrets and nobody else's."""
    assert secrets_of(name) == NEEDED[name]
    text = json.dumps([SERVICES[name].get(key) for key in ("entrypoint", "environment")])
    if name not in OURS:
        assert set(re.findall(r"/run/secrets/(\w+)", text)) == NEEDED[name]


def test_no_secret_is_in_an_environment() -> None:
    """Whatever a process starts, and `docker inspect`, shows its environment: passwords and tokens are files."""
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|KEY|SECRET|AUTH", key):
                assert value.startswith("/run/secrets/"), (name, key)
    assert all(secret["file"] == "${SECRETS:-./secrets}/" + name for name, secret in COMPOSE["secrets"].items())


@pytest.mark.parametrize("name", sorted(set().union(*(NEEDED[name] for name in OURS)) - {"hf_token"}))
def test_file_of_a_secret_is_a_setting(name: str, tmp_path: Path) -> None:
    """Each file that our services get is read as the setting of its name."""
    (tmp_path / name).write_text('{"wiki": "s3cret"}\n' if name.endswith("source_secrets") else "s3cret\n")
    found = Settings(_secrets_dir=tmp_path)
    value = getattr(found, name.removeprefix("journeyman_"))
    assert (value["wiki"] if isinstance(value, dict) else value).get_secret_value() == "s3cret"


def test_make_prepares_the_files_of_secrets(tmp_path: Path) -> None:
    """Compose wants every file to be there, and the containers' user to read it; a second time changes nothing."""
    folder = tmp_path / "secrets"
    for _ in range(2):
        subprocess.run(["make", "-s", "secrets", f"SECRETS={folder}"], cwd=ROOT, check=True)
        assert {file.name for file in folder.iterdir()} == COMPOSE["secrets"].keys()
        password = (folder / "postgres_password").read_text().strip()
        assert len(password) >= 24
        assert [file.name for file in folder.iterdir() if file.stat().st_size] == ["postgres_password"]
        assert folder.stat().st_mode & 0o777 == 0o700
        assert all(file.stat().st_mode & 0o444 == 0o444 for file in folder.iterdir())
        (folder / "postgres_password").write_text("of-my-own-and-rather-long\n")
    assert "my-own" in (folder / "postgres_password").read_text()


def test_gpu_services_reserve_a_gpu() -> None:
    """Only the services of the profile gpu reserve a device."""
    for service in SERVICES.values():
        reserved = "reservations" in service["deploy"]["resources"]
        assert reserved == (service.get("profiles") == ["gpu"])


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_each_queue_has_one_kind_of_consumer(profile: str) -> None:
    """Where two kinds of worker took one queue, a round for a GPU could land in a small container; and a round, or the
    building of a model, takes hours, in which what stands in another queue must not wait.
    """
    consumers = {
        name: service["command"][2].split(",")
        for name, service in OURS.items()
        if service["command"][0] == "worker" and service.get("profiles", [profile]) == [profile]
    }
    assert all(SERVICES[name]["command"][1] == "--queues" for name in consumers)
    assert sorted(chain.from_iterable(consumers.values())) == sorted(QUEUES)
    assert all(len(queues) == 1 for queues in consumers.values())
    alone = {queue for name, (queue,) in consumers.items() if "reservations" in SERVICES[name]["deploy"]["resources"]}
    assert alone == (GPU_QUEUES if profile == "gpu" else set())


def test_processes_start_with_a_profile_of_workers() -> None:
    """Without one of the two nobody builds or trains: the example of a .env names one."""
    assert re.search(r"^COMPOSE_PROFILES=cpu$", (ROOT / ".env.example").read_text(), re.MULTILINE)


def test_build_targets_exist() -> None:
    """Each target that is built, and each that can be chosen, is a stage of the Dockerfile."""
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    targets = {service["build"]["target"] for service in OURS.values()}
    assert {re.sub(r"\$\{\w+:-(\w+)\}", r"\1", target) for target in targets} <= stages
    assert {"slim", "cpu", "gpu"} <= stages


def test_files_that_are_mounted_exist() -> None:
    """A file of the repository that a service mounts is there: Docker would make an empty folder in its place."""
    for service in SERVICES.values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert not source.startswith("./") or (ROOT / source).is_file(), source


def test_published_ports_are_on_loopback() -> None:
    """Nothing is reachable from another machine unless a person puts a proxy in front."""
    for name, service in SERVICES.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_our_processes_are_watched() -> None:
    """Prometheus scrapes the port that bot, workers and beat serve, and the model server."""
    port = COMPOSE["x-app"]["environment"]["JOURNEYMAN_METRICS_PORT"]
    jobs = yaml.safe_load((ROOT / "docs/operations/prometheus.yml").read_text())["scrape_configs"]
    stay = {name: "profiles" in service for name, service in OURS.items() if service["restart"] != "no"}
    ours, vllm = jobs
    assert [t for static in ours["static_configs"] for t in static["targets"]] == [
        f"{name}:{port}" for name, optional in stay.items() if not optional
    ]
    # What a profile leaves out is not there to be found, which is no failure.
    (found,) = ours["dns_sd_configs"]
    assert found == {"names": [name for name, optional in stay.items() if optional], "type": "A", "port": int(port)}
    assert vllm["dns_sd_configs"] == [{"names": ["vllm"], "type": "A", "port": 8000}]


EXPECTED = {
    "questions",
    "first_text_seconds",
    "answer_seconds",
    "votes",
    "queue_depth",
    "jobs",
    "embedding_passages_per_second",
    "model",
    "training_loss",
}


def test_dashboard_shows_metrics_that_exist() -> None:
    """Every series in a panel is one that a process serves, and what an admin looks for is in a panel."""
    served = Metrics()
    names = {metric.name for metric in served.registry.collect()} | {f"journeyman_{gauge[0]}" for gauge in GAUGES}
    names |= {"journeyman_up", "journeyman_queue_depth", "journeyman_model"}
    dashboard = json.loads((ROOT / "docs/operations/dashboard.json").read_text())
    shown = re.findall(
        r"journeyman_\w+", " ".join(t["expr"] for panel in dashboard["panels"] for t in panel["targets"])
    )
    assert shown
    # An info's series has the ending that its family lacks.
    found = {re.sub("_(total|bucket|sum|count|info)$", "", name) for name in shown}
    assert found <= names
    assert {f"journeyman_{name}" for name in EXPECTED} <= found


@pytest.mark.parametrize(
    ("login", "starts"), [("", False), (":", False), ("ada:", False), (":secret", False), ("ada:secret", True)]
)
def test_flower_does_not_start_without_a_password(tmp_path: Path, login: str, starts: bool) -> None:
    """An empty one would let everybody in who reaches it."""
    (tmp_path / "flower_basic_auth").write_text(login)
    (tmp_path / "celery").write_text("#!/bin/sh\necho started\n")
    (tmp_path / "celery").chmod(0o755)
    shell, option, script, name = SERVICES["flower"]["entrypoint"]
    script = script.replace("$$", "$").replace("/run/secrets", str(tmp_path))
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run([shell, option, script, name], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout == "started\n") is starts
    assert starts or "name:password" in done.stderr
