#!/bin/sh
# Run while the node image is built: makes any base system able to be a node.
# A system that has systemd and an SSH server gets nothing installed.
set -eu

has_init() { [ -x /lib/systemd/systemd ] || [ -x /usr/lib/systemd/systemd ]; }
has_sshd() { [ -x /usr/sbin/sshd ]; }

install_packages() {
    if command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update
        apt-get install -y --no-install-recommends \
            systemd systemd-sysv dbus openssh-server sudo python3 python3-apt iproute2
        rm -rf /var/lib/apt/lists/*
        # Left by images that are meant for single programs: it keeps packages from starting their services.
        rm -f /usr/sbin/policy-rc.d
    elif command -v dnf >/dev/null; then
        dnf install -y systemd dbus openssh-server sudo python3 iproute
        dnf clean all
    else
        echo "no systemd or no SSH server in this image, and neither apt-get nor dnf to install them" >&2
        exit 1
    fi
}

units=/etc/systemd/system

write_units() {
    cat >"$units/elasticluster-identity.service" <<'UNIT'
[Unit]
Description=User, key and SSH host keys of this node
Before=ssh.service sshd.service ssh.socket sshd-keygen.service sshd-keygen.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /usr/lib/elasticluster/first-boot.sh identity
StandardOutput=journal+console
StandardError=journal+console
UNIT
    cat >"$units/elasticluster-userdata.service" <<'UNIT'
[Unit]
Description=image_userdata, run once
After=elasticluster-identity.service network.target ssh.service sshd.service

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=infinity
ExecStart=/bin/sh /usr/lib/elasticluster/first-boot.sh userdata
StandardOutput=journal+console
StandardError=journal+console
UNIT
    mkdir -p "$units/multi-user.target.wants"
    for unit in elasticluster-identity elasticluster-userdata; do
        ln -sf "../$unit.service" "$units/multi-user.target.wants/$unit.service"
    done
}

# Consoles that nobody sits at, and timers that would hold the package lock when a node is set up.
mask_units() {
    for unit in console-getty.service getty.target getty-static.service \
        apt-daily.timer apt-daily-upgrade.timer fstrim.timer e2scrub_all.timer; do
        ln -sf /dev/null "$units/$unit"
    done
}

if ! has_init || ! has_sshd; then
    install_packages
fi
[ ! -x /usr/bin/systemctl ] || systemctl enable sshd.service 2>/dev/null || true
write_units
mask_units
# What must not be the same on two nodes.
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id
: >/etc/machine-id
# Else every node, on its first boot, rebuilds caches that the image has already.
touch /etc/.updated /var/.updated
