#!/bin/sh
# Says which workers run jobs, takes workers out of service and back into it. Runs on the controller's node.
#   busy                            prints "busy NODE JOB" for each job on each worker
#   leave wait|end SECONDS NODE...  lets these get no new jobs; their jobs may end, within SECONDS, or are ended;
#                                   prints "busy NODE JOB" for what they still run
#   return NODE...                  takes back these, and all that were to leave; prints "changed" where it did
#   regain                          takes back all that Slurm has taken out because it knew of further GPUs before they
#                                   did; those that lack them it takes out again
set -eu
reason=elasticluster-leaving
at_work=RUNNING,COMPLETING,SUSPENDED,CONFIGURING,STOPPED,STAGE_OUT,SIGNALING,RESIZING

busy() {
  jobs=$(squeue --noheader --all --states=$at_work --format='%i %N' "$@")
  printf '%s\n' "$jobs" | while read -r job nodes; do
    case $nodes in
      *[[,]*) for node in $(scontrol show hostnames "$nodes"); do echo "busy $node $job"; done ;;
      ?*) echo "busy $nodes $job" ;;
    esac
  done
}

workers() { # prints "NODE STATE REASON" for each; where there is no reason, Slurm says "none"
  found=$(sinfo --noheader --all --Node --format='%N %T %E')
  printf '%s\n' "$found" | sort -u
}

take_out() { # prints those of the nodes that Slurm knows
  now=$(workers)
  printf '%s\n' "$now" | while read -r node state why; do
    case " $* " in *" $node "*) ;; *) continue ;; esac
    echo "$node"
    case $state in drain* | down* | fail*) ;; *) why=none ;; esac # another's reason may be left over
    case $state:$why in
      drain*) ;; # one that was taken out by somebody else is not to come back with ours
      *:none | *:"Not responding"* | *:$reason) scontrol update NodeName="$node" State=DRAIN Reason=$reason ;;
      *) ;; # it gets no jobs either
    esac
  done
}

end_jobs() { # what can be begun again later is put back into the queue
  busy --nodelist="$1" | cut -d' ' -f3 | sort -u | while read -r job; do
    scontrol requeue "$job" 2>/dev/null || scancel "$job" 2>/dev/null || : # it may have ended by itself
  done
}

wait_for_jobs() { # prints what is left; $1: seconds, $2: nodes with commas
  deadline=$(($(date +%s) + $1))
  left=$(busy --nodelist="$2")
  while [ -n "$left" ] && [ "$(date +%s)" -lt "$deadline" ]; do
    sleep 1
    left=$(busy --nodelist="$2")
  done
  printf '%s\n' "$left" | while read -r _ node job; do
    case ",$2," in *",$node,"*) echo "busy $node $job" ;; esac
  done
}

leave() {
  how=$1
  seconds=$2
  shift 2
  found=$(take_out "$@")
  nodes=$(printf '%s\n' "$found" | paste -s -d, -)
  [ -n "$nodes" ] || return 0
  if [ "$how" = end ]; then
    end_jobs "$nodes"
    [ -z "$(wait_for_jobs "$seconds" "$nodes")" ] ||
      scontrol update NodeName="$nodes" State=DOWN Reason=$reason # its jobs end, whether it answers or not
  fi
  wait_for_jobs "$seconds" "$nodes"
}

take_back() { # $1: how the reason begins; the rest: nodes, whatever their reason
  ours=$1
  shift
  now=$(workers)
  printf '%s\n' "$now" | while read -r node state why; do
    case $state in drain* | down* | fail*) ;; *) continue ;; esac
    case " $* " in *" $node "*) why=$ours ;; esac
    case $why in "$ours"*) ;; *) continue ;; esac
    scontrol update NodeName="$node" State=RESUME Reason=none || { # no text does not clear it
      sleep 1 # it may just have come back by itself
      case $(sinfo --noheader --all --nodes="$node" --format=%T) in drain* | down* | fail*) exit 1 ;; esac
    }
    echo changed
  done
}

verb=$1
shift
case $verb in
  busy) busy ;;
  leave) leave "$@" ;;
  return) take_back $reason "$@" ;;
  regain) take_back "gres/gpu count reported lower than configured" ;;
esac
