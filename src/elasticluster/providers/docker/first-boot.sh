#!/bin/sh
# What a cloud does to a machine on its first boot: the user with the key, host keys of its own, user data.
# Plain POSIX shell and the tools of a minimal system with OpenSSH: runs on any base image.
#
# usage: first-boot.sh identity|userdata
#
# Reads /etc/elasticluster: node (instance=… user=… name=…), authorized_keys, userdata (may be missing).
# What was done is noted under the instance's id, so that it is done once for an instance, and again for a
# new instance of an image that was saved from a node.
set -eu

conf=/etc/elasticluster
instance='' user='' name=''
# shellcheck source=/dev/null
. "$conf/node"
state=/var/lib/elasticluster/$instance

make_host_keys() {
    rm -f /etc/ssh/ssh_host_*
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f /etc/ssh/ssh_host_ed25519_key
}

make_user() {
    shell=/bin/sh
    [ -x /bin/bash ] && shell=/bin/bash
    # The same number on every node: /home is shared. "*" is no password, yet not a locked account.
    set -- --no-create-home --home-dir "/home/$user" --shell "$shell" --password '*' --user-group
    getent passwd 1000 >/dev/null || set -- "$@" --uid 1000
    useradd "$@" "$user"
}

make_home() { # whole or not at all: nodes share /home, and each of them does this at the same time
    new=$home.$instance
    rm -rf "$new" # left by a boot that was cut short
    mkdir -m 0750 "$new"
    cp -R /etc/skel/. "$new/"
    chown -R "$user:" "$new"
    mv -T "$new" "$home" 2>/dev/null || rm -rf "$new"
}

let_in() {
    home=$(getent passwd "$user" | cut -d: -f6)
    [ -e "$home" ] || make_home
    mkdir -m 0700 "$home/.ssh" 2>/dev/null || :
    keys=$home/.ssh/authorized_keys
    if ! grep -qxFf "$conf/authorized_keys" "$keys" 2>/dev/null; then
        # Written aside and renamed: other nodes do the same to the same file at the same time.
        cat "$conf/authorized_keys" >"$keys.$instance"
        [ ! -e "$keys" ] || cat "$keys" >>"$keys.$instance"
        chmod 0600 "$keys.$instance"
        chown "$user:" "$keys.$instance"
        mv -f "$keys.$instance" "$keys"
    fi
    chown "$user:" "$home/.ssh"
}

allow_sudo() {
    mkdir -m 0750 /etc/sudoers.d 2>/dev/null || :
    (umask 0337 && printf '%s ALL=(ALL:ALL) NOPASSWD:ALL\n' "$user" >/etc/sudoers.d/90-elasticluster)
}

identity() {
    [ ! -e "$state/host_keys" ] || return 0
    mkdir -p "$state"
    make_host_keys
    id "$user" >/dev/null 2>&1 || make_user
    let_in
    [ "$user" = root ] || allow_sudo
    # Last, and at once: whoever sees this file knows that the node has its identity.
    cp /etc/ssh/ssh_host_ed25519_key.pub "$state/host_keys.new"
    mv "$state/host_keys.new" "$state/host_keys"
}

userdata() {
    [ -s "$conf/userdata" ] && [ ! -e "$state/userdata" ] || return 0
    # Noted before it is run: user data that reboots the node must not be run for ever.
    : >"$state/userdata"
    umask 077
    {
        status=0
        (umask 022 && cd / && exec "$conf/userdata") || status=$?
        echo "image_userdata ended with status $status"
    } </dev/null 2>&1 | tee /var/log/elasticluster-userdata.log
}

"$1"
