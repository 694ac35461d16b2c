#!/bin/sh
set -eu
name=$1
shift
echo "This is $name, of the groups: $*" | sudo tee /etc/motd
