#!/bin/sh
# Makes a node fit for an image to be made of it: nothing stays that is secret or belongs to this node only.
# Arguments: services that must not start at boot, as roles start them once they are configured; "--"; files to remove.
set -eu
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  ! systemctl is-enabled --quiet "$1" || systemctl disable --quiet "$1"
  shift
done
shift
rm -rf "$@"

if command -v apt-get >/dev/null; then
  apt-get clean
  rm -rf /var/lib/apt/lists/*
else
  dnf -q clean all
fi

if command -v cloud-init >/dev/null; then cloud-init clean --logs --seed; fi
rm -rf /etc/elasticluster /var/lib/elasticluster # what the docker provider tells a node at its first boot
rm -f /etc/ssh/ssh_host_* /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
getent passwd | cut -d : -f 6 | sort -u | while read -r home; do
  rm -rf "$home/.ssh/authorized_keys" "$home/.ansible" "$home/.bash_history"
done

journalctl --relinquish-var # else the journal is back as soon as anything is logged
: >/etc/machine-id
[ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
rm -rf /var/log/journal/*
find /var/log -type f -delete
find /var/tmp -mindepth 1 -maxdepth 1 ! -name 'systemd-private-*' -exec rm -rf {} +
# Else every node, on its first boot, rebuilds caches that the image has already.
touch /etc/.updated /var/.updated
sync
