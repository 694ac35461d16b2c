#!/bin/sh
# Keeps the records of slurmdbd: who may use the cluster, and who has used it. Runs on the node of slurmdbd.
#   database NAME                     makes the database; the user slurm gets in by the socket, without a password
#   register CLUSTER ACCOUNT USER...  waits for slurmdbd, and makes cluster, account and users known to it
#   off                               stops slurmdbd; its records stay
# The last line is "changed" where something was done.
set -eu

make_database() {
  database=$1
  ! runuser -u slurm -- mariadb --execute='SELECT 1' "$database" >/dev/null 2>&1 || return 0
  mariadb <<SQL
CREATE DATABASE IF NOT EXISTS \`$database\`;
CREATE USER IF NOT EXISTS slurm@localhost IDENTIFIED VIA unix_socket;
GRANT ALL ON \`$database\`.* TO slurm@localhost;
SQL
  echo changed
}

wait_for_answer() {
  timeout 60 sh -c 'until sacctmgr --noheader list cluster; do sleep 0.2; done' >/dev/null 2>&1 || {
    echo "slurmdbd does not answer"
    tail -n 3 /var/log/slurm/slurmdbd.log
    exit 1
  }
}

add() { # $1: the line by which it is known; the rest: what sacctmgr is to add
  line=$1
  shift
  ! printf '%s\n' "$known" | grep -Fixq "$line" || return 0
  sacctmgr --immediate --quiet add "$@"
  echo changed
}

register() {
  cluster=$1 account=$2
  shift 2
  wait_for_answer
  known=$(sacctmgr --noheader --parsable2 list associations cluster="$cluster" format=account,user)
  add 'root|' cluster "$cluster"
  add "$account|" account "$account" cluster="$cluster"
  for user; do add "$account|$user" user "$user" account="$account" cluster="$cluster"; done
}

turn_off() {
  systemctl is-enabled --quiet slurmdbd 2>/dev/null || systemctl is-active --quiet slurmdbd || return 0
  systemctl disable --quiet --now slurmdbd
  echo changed
}

verb=$1
shift
case $verb in
  database) make_database "$@" ;;
  register) register "$@" ;;
  off) turn_off ;;
esac
