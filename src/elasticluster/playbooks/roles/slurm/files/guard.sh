#!/bin/sh
# Refuses a configuration with which the controller would not start, or would end jobs; nothing is written then. Runs
# on the controller's node.
# Arguments: the file in which the controller keeps the name of its cluster, the name to be, the partitions to be.
# The last line says what is wrong.
set -eu
file=$1 cluster=$2
shift 2
[ -e "$file" ] || exit 0 # it has never run

kept=$(cut -d"|" -f1 "$file")
case $kept in
  "$cluster" | "$(echo "$cluster" | tr "[:upper:]" "[:lower:]")") ;;
  *)
    echo "the cluster is called '$kept' in Slurm since its first start: set slurm_cluster_name back to that," \
      "it cannot become '$cluster'"
    exit 1
    ;;
esac

systemctl is-active --quiet slurmctld || exit 0
jobs=$(timeout 20 squeue --noheader --all --format="%P %i %T" 2>/dev/null) || exit 0 # this setup may mend that
lost=$(printf '%s\n' "$jobs" | awk -v kept=" $* " '
  $3 != "COMPLETING" { # such a job has ended, and waits perhaps for a node that only this setup brings back
    many = split($1, names, ",") # a job that waits may name several
    for (n = 1; n <= many; n++) {
      name = names[n]
      if (!index(kept, " " name " ") && ++count[name] <= 5) jobs[name] = jobs[name] sep[name] $2
      sep[name] = ", "
    }
  }
  END {
    for (name in jobs) {
      if (count[name] > 5) jobs[name] = jobs[name] " and " (count[name] - 5) " more"
      all = all between "partition " name " with " (count[name] > 1 ? "jobs " : "job ") jobs[name]
      between = "; "
    }
    print all
  }')
[ -n "$lost" ] || exit 0
echo "jobs would be lost with their partition: $lost; keep it, or let them end or cancel them first"
exit 1
