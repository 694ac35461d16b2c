#!/bin/sh
# Installs the packages given as arguments on a Debian node, in one transaction, and starts no service of theirs.
set -eu
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
{
  apt-get -qq -o Acquire::Languages=none update &&
    apt-get -qq install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io "$@" </dev/null
} >/var/log/install.log 2>&1 || {
  tail /var/log/install.log >&2
  exit 1
}
rm /usr/sbin/policy-rc.d
