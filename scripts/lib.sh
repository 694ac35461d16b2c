# shellcheck shell=bash
# What scripts/demo, scripts/test and benchmarks/local_slurm share: get this machine ready, and leave it as it was.
#
# On Debian or Ubuntu as root, what is missing is installed. Elsewhere what is there is used, and the
# first thing that is missing is named in one line.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV="$ROOT/.venv"
ENGINE_PID="" # of a Docker engine that we started
ENGINE_LOG=""
POLICY=/usr/sbin/policy-rc.d # Debian's packages ask it whether they may start their services

say() { printf '%s\n' "$*" >&2; }

missing() { # missing WHAT HOW: end with one line
  say "Missing: $1. $2"
  exit 69 # EX_UNAVAILABLE
}

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

quietly() { # quietly COMMAND...: show what it said only if it fails
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || status=$?
  [ "$status" = 0 ] || tail -n 20 "$log" >&2
  rm -f "$log"
  return "$status"
}

apt_install() { # apt_install PACKAGE...
  say "Installing: $*"
  # The lists may be missing or too old for the mirror; a broken third-party source must not stop us.
  apt-get -qq update >/dev/null 2>&1 || true
  DEBIAN_FRONTEND=noninteractive quietly apt-get -qq -o DPkg::Lock::Timeout=600 \
    install -y --no-install-recommends "$@"
}

apt_install_idle() { # apt_install_idle SERVICE PACKAGE...: without its service, now or at the next boot
  (
    policy=$(mktemp "$POLICY.XXXXXX")
    trap 'if [ "$policy" -ef "$POLICY" ]; then rm -f "$POLICY"; fi; rm -f "$policy"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    # Should we be killed, what is left says yes to everything.
    printf '#!/bin/sh\nif kill -0 %s 2>/dev/null; then exit 101; fi\n' "$BASHPID" >"$policy"
    chmod 0755 "$policy"
    ln "$policy" "$POLICY" 2>/dev/null || true # one that is there is somebody's own and stays
    apt_install "${@:2}"
    update-rc.d "$1" disable >/dev/null 2>&1 || true
    systemctl --quiet disable "$1.socket" >/dev/null 2>&1 || true
  )
}

# ---------------------------------------------------------------------------------------- Python

base_python() { # print the interpreter behind a name, if it is 3.11 or newer and can make environments
  "$1" -c '
import sys, venv, ensurepip
assert sys.version_info >= (3, 11)
print(sys._base_executable)' 2>/dev/null
}

find_python() { # print the first good one; if $PYTHON names one, only that will do
  local candidate
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3}; do
    base_python "$candidate" && return
  done
  return 1
}

need_python() { # print a good one, installing it if need be
  find_python && return
  if [ -z "${PYTHON:-}" ] && may_install && apt_install python3 python3-venv; then
    find_python && return
  fi
  missing "Python 3.11 or newer with its venv module" "Install it, or name one: PYTHON=/path/to/python3 $0"
}

venv_is_good() { # venv_is_good STAMP: up to date, and its interpreter is still there
  [ "$(cat "$VENV/stamp" 2>/dev/null)" = "$1" ] && "$VENV/bin/python" -c '' 2>/dev/null
}

build_venv() { # build_venv STAMP
  local python
  python=$(need_python)
  say "Making the virtual environment .venv (about a minute, once)"
  rm -rf "$VENV"
  quietly "$python" -m venv "$VENV"
  # --group needs pip 25.1; Debian 12 brings 23.0.
  quietly "$VENV/bin/python" -m pip install --upgrade 'pip>=25.1'
  quietly "$VENV/bin/python" -m pip install --editable "$ROOT" --group "$ROOT/pyproject.toml:dev"
  printf '%s\n' "$1" >"$VENV/stamp"
}

use_venv() { # make .venv if it is not there or out of date, and put it first on PATH
  local stamp
  stamp="$ROOT $(cksum <"$ROOT/pyproject.toml") ${PYTHON:-}"
  (
    # Two scripts may come here at once; without flock(1), as on macOS, run one at a time.
    if command -v flock >/dev/null; then flock 9; fi
    venv_is_good "$stamp" || build_venv "$stamp"
  ) 9<"$ROOT/pyproject.toml"
  export VIRTUAL_ENV="$VENV" PATH="$VENV/bin:$PATH"
  unset PYTHONHOME PYTHONPATH
}

# ------------------------------------------------------------------------------- Container engine

engine_answers() {
  python -c 'import docker; docker.from_env(timeout=5).ping()' 2>/dev/null
}

use_tools() { # OpenSSH, and what builds the base image where no image registry answers
  local packages=()
  command -v ssh >/dev/null && command -v sftp >/dev/null || packages+=(openssh-client)
  if may_install; then
    command -v mmdebstrap >/dev/null || packages+=(mmdebstrap)
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || packages+=(debian-archive-keyring)
  fi
  [ "${#packages[@]}" = 0 ] && return
  may_install || missing "OpenSSH's ssh and sftp" "Install your system's OpenSSH client."
  apt_install "${packages[@]}"
}

use_sshd() { # OpenSSH's server, which tests run on loopback under a port of their own
  local PATH="$PATH:/usr/sbin:/usr/local/sbin"
  command -v sshd >/dev/null && return
  may_install || missing "OpenSSH's server, which the tests run on loopback" \
    "Install your system's OpenSSH server; it need not be started."
  apt_install_idle ssh openssh-server
}

use_trouble() { # what tests make trouble with: another clock, a network of a second engine's own
  local packages=()
  command -v faketime >/dev/null || packages+=(faketime)
  command -v ip >/dev/null || packages+=(iproute2)
  command -v nsenter >/dev/null || packages+=(util-linux)
  [ "${#packages[@]}" = 0 ] && return
  may_install || missing "${packages[*]}, which the tests need" "Install these packages."
  apt_install "${packages[@]}"
}

use_shells() { # those that completion is tested in
  local shell packages=()
  for shell in bash zsh fish; do
    command -v "$shell" >/dev/null || packages+=("$shell")
  done
  [ "${#packages[@]}" = 0 ] && return
  may_install || missing "${packages[*]}, in which the tests complete commands" "Install these shells."
  apt_install "${packages[@]}"
}

use_postgres() { # PostgreSQL's server, which the long matrix runs on a socket of its own
  local server
  for server in "$(command -v postgres || true)" /usr/lib/postgresql/*/bin/postgres; do
    if [ -x "$server" ]; then return; fi
  done
  may_install || missing "PostgreSQL's server, which the long matrix needs" \
    "Install your system's PostgreSQL server; it need not be started."
  apt_install_idle postgresql postgresql
}

use_openstack() { # the OpenStack services that tests run, in a virtual environment of their own
  quietly python "$ROOT/tests/clouds/openstack/environment.py" ||
    missing "the OpenStack services' packages" "They come from the Python package index; see the error above."
}

use_engine() { # have a Docker engine answer; start one of our own if root may
  engine_answers && return
  [ -z "${DOCKER_HOST:-}" ] || missing "a Docker engine at DOCKER_HOST=$DOCKER_HOST" "Start it, or unset DOCKER_HOST."
  [ "$(id -u)" = 0 ] || missing "a Docker engine that answers to you" \
    "Start Docker and join the group 'docker', or run this as root on Debian or Ubuntu."
  if ! command -v dockerd >/dev/null; then
    may_install || missing "a Docker engine" "Install Docker (https://docs.docker.com/engine/install/)."
    install_engine
    engine_answers && return # the package may have started it
  fi
  start_engine
}

install_engine() {
  local packages=(docker.io ca-certificates)
  # Without its parser the engine cannot start containers on a kernel that has AppArmor.
  if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] && ! command -v apparmor_parser >/dev/null; then
    packages+=(apparmor)
  fi
  apt_install "${packages[@]}"
}

start_engine() {
  local deadline=$((SECONDS + 60))
  ENGINE_LOG=$(mktemp /tmp/dockerd-XXXXXX.log)
  say "Starting a Docker engine (log: $ENGINE_LOG)"
  # Its own session: Ctrl-C must reach us and not the engine that we still need for cleaning up.
  setsid dockerd >"$ENGINE_LOG" 2>&1 </dev/null &
  ENGINE_PID=$!
  until engine_answers; do
    if ! kill -0 "$ENGINE_PID" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
      tail -n 5 "$ENGINE_LOG" >&2
      missing "a Docker engine" "dockerd did not come up within a minute; its log is $ENGINE_LOG"
    fi
    sleep 0.2
  done
}

stop_engine() { # only the one that we started, and only if nobody else has come to use it
  [ -n "$ENGINE_PID" ] || return 0
  if [ -n "$(engine_objects running)" ]; then
    say "The Docker engine that was started here (process $ENGINE_PID) has running containers; it is left to run."
    return 0
  fi
  kill "$ENGINE_PID" 2>/dev/null || true
  wait "$ENGINE_PID" 2>/dev/null || true
  rm -f "$ENGINE_LOG"
  ENGINE_PID=""
}

engine_objects() { # engine_objects [running]: KIND ID NAME CLUSTER OWNER of each container, network and volume
  python - "${1:-all}" <<'PY'
import sys
import docker

engine = docker.from_env().api
everything = sys.argv[1] == "all"
found = [("container", one["Id"], one["Names"][0], one) for one in engine.containers(all=everything)]
if everything:
    found += [("network", one["Id"], one["Name"], one) for one in engine.networks()]
    found += [("volume", "-", one["Name"], one) for one in engine.volumes()["Volumes"] or []]
for kind, number, name, one in sorted(found, key=lambda row: row[:3]):
    labels = one["Labels"] or {}
    tags = (labels.get(f"elasticluster.{tag}", "-") for tag in ("uuid", "owner"))
    print(kind, number[:12], name, *tags, sep="\t")
PY
}

objects_of() { # objects_of CLUSTER OWNER: what carries that UUID, its short form in a name, or that owner
  awk -F '\t' -v uuid="$1" -v owner="$2" \
    '$4 == uuid || $5 == owner || index($3, "-" substr(uuid, 1, 8))'
}

use_engine_client() { # the docker command, for scripts that talk to the engine in shell
  command -v docker >/dev/null && return
  may_install && apt_install docker-cli && return
  missing "the docker command" "Install your system's Docker client."
}

raise_inotify_limit() { # systemd in a container needs four or five instances; 128 are too few for thirty nodes
  local file=/proc/sys/fs/inotify/max_user_instances wanted=1024
  if [ -w "$file" ] && [ "$(cat "$file")" -lt "$wanted" ] && echo "$wanted" 2>/dev/null >"$file"; then
    say "Raised fs.inotify.max_user_instances to $wanted until the next boot."
  fi
}

prepare() { # everything above, in order
  use_venv
  use_tools
  use_engine
  raise_inotify_limit
}
