#!/bin/sh
# Makes a bare system one that Ansible can work on, and says in JSON which system it is.
# Arguments: the node's name; why this user runs it; proxy and mirror for packages, and the mirror of security updates;
# whether SELinux may only complain (yes); then the supported systems. What is empty stays as the image has it. Does
# nothing where nothing is missing.
set -eu
name=$1 why=$2 proxy=$3 mirror=$4 security=$5 selinux=$6
shift 6
if [ "$(id -u)" != 0 ]; then
  echo "root has to set up a node, but $why is user $(id -un) here, whose uid is $(id -u) and not 0" >&2
  exit 1
fi
# shellcheck source=/dev/null
. /etc/os-release
case $ID in
  debian | ubuntu) family=debian system=$ID-${VERSION_ID-} ;;
  *) family=redhat system=$ID-${VERSION_ID%%.*} ;;
esac
case " $* " in
  *" $system "*) ;;
  *)
    echo "$PRETTY_NAME is not a supported system; these are: $*" >&2
    exit 1
    ;;
esac

changed=false
if [ "$(cat /proc/sys/kernel/hostname)" != "$name" ]; then
  hostnamectl set-hostname "$name"
  changed=true
fi
use_proxy "$proxy"
use_mirror "$mirror" "$security"

missing=
command -v python3 >/dev/null || missing=python3
command -v sudo >/dev/null || missing="$missing sudo"
if [ "$family" = debian ]; then
  [ -d /usr/lib/python3/dist-packages/apt ] || missing="$missing python3-apt"
  # Images come with empty package lists that look new; make them look as old as they are.
  ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || touch -d @0 /var/lib/apt/lists
else
  rpm -q --quiet epel-release || missing="$missing epel-release"
fi

install() {
  if [ "$family" = debian ]; then
    export DEBIAN_FRONTEND=noninteractive
    set -- -qq -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
    if [ -e /run/systemd/container ]; then set -- -o Dpkg::Options::=--force-unsafe-io "$@"; fi
    apt-get update -qq -o Acquire::Languages=none -o APT::Update::Error-Mode=any && apt-get install --no-install-recommends "$@"
  else
    dnf install -q -y --setopt=install_weak_deps=False "$@"
  fi
}

if [ -n "$missing" ]; then
  # shellcheck disable=SC2086
  install $missing >&2 || { sleep 5 && install $missing >&2; }
  changed=true
fi
[ "$selinux" != yes ] || relax_selinux
container=false
if [ -e /run/systemd/container ]; then container=true; fi
printf '{"family": "%s", "name": "%s", "container": %s, "changed": %s}\n' "$family" "$system" "$container" "$changed"
