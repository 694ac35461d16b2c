#!/bin/sh
# Keeps the records of slurmdbd: who may use the cluster, and who has used it. Runs on the node of slurmdbd.
#   database NAME                     makes the database; the user slurm gets in by the socket, without a password
#   register CLUSTER ACCOUNT USER...  makes cluster, account and users known to slurmdbd
#   agree CLUSTER FILE DATABASE       lets the controller, which keeps name and number of its cluster in the file, start
#                                     with the number that slurmdbd has: it may have been without slurmdbd before, or
#                                     with another database, and would end where the two are not the same
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
  known=$(sacctmgr --noheader --parsable2 list associations cluster="$cluster" format=account,user)
  add 'root|' cluster "$cluster"
  add "$account|" account "$account" cluster="$cluster"
  for user; do add "$account|$user" user "$user" account="$account" cluster="$cluster"; done
}

agree() {
  cluster=$1 file=$2 database=$3
  [ -e "$file" ] || return 0 # it has never run
  kept=$(cat "$file")
  case $kept in *"|"*) ;; *) return 0 ;; esac # before 23.11 there is no number
  query="SELECT id FROM cluster_table WHERE deleted = 0 AND name = '$cluster'" # sacctmgr does not show it
  number=$(runuser -u slurm -- mariadb --batch --skip-column-names --execute="$query" "$database")
  [ -n "$number" ] && [ "$kept" != "${kept%|*}|$number" ] || return 0
  systemctl stop slurmctld # jobs run on
  sed -i "s/|.*/|$number/" "$file"
  echo changed
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
  agree) agree "$@" ;;
  off) turn_off ;;
esac
