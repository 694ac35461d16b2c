"""The contributor's door: `nox` runs lint, types and unit; `nox --list` names the rest."""

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["lint", "types", "unit"]


def install(session: nox.Session, *groups: str) -> None:
    """Install the package from the checkout, and the tools of these dependency groups."""
    session.install("pip>=25.1")
    session.install("-e", ".", *(f"--group={group}" for group in groups))


@nox.session
def lint(session: nox.Session) -> None:
    """Run ruff, the layer contract, ansible-lint and shellcheck."""
    install(session, "lint")
    session.run(
        "scripts/lint",
        "ruff",
        "format",
        "layers",
        "playbooks",
        "readmes",
        "reference",
        "shell",
        external=True,
    )


@nox.session
def types(session: nox.Session) -> None:
    """Run mypy --strict."""
    install(session, "lint")
    session.run("scripts/lint", "types", external=True)


@nox.session(python=["3.11", "3.12", "3.13"])
def unit(session: nox.Session) -> None:
    """Run the tests that need no container."""
    install(session, "test")
    session.run("pytest", "-m", "not e2e and not full", *session.posargs)


@nox.session
def e2e(session: nox.Session) -> None:
    """Run the tests on real containers; a Docker engine must answer."""
    install(session, "dev")
    session.run("pytest", "-m", "e2e and not full", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the manual into build/site; open build/site/index.html."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-c", "docs", ".", "build/site")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the command line's start and a local Slurm beside the floor."""
    install(session, "test")
    session.run("python", "benchmarks/cli_startup.py")
    session.run("python", "benchmarks/local_slurm.py", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel and the source distribution into dist/."""
    session.install("build")
    session.run("python", "-m", "build")
