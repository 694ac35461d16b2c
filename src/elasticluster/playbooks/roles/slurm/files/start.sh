#!/bin/sh
# Lets a service run with what its files say now: starts it, or restarts it where one of them is newer than it. So the
# next setup makes good what an interrupted one left between writing and restarting.
# Arguments: the service, a command that works once the service answers (or "true"), then its files. The last line is
# "changed" where something was done, or what is wrong.
set -eu
service=$1 answers=$2
shift 2
changed=
log=/var/log/slurm/$service.log
began=$(date +@%s)
logged=$(stat --format=%s "$log" 2>/dev/null || echo 0)

news() { # prints what the service has logged since this began
  journalctl --unit="$service" --since="$began" --output=cat --no-pager 2>/dev/null || :
  tail --bytes="+$((logged + 1))" "$log" 2>/dev/null || : # not every service has this file
}

give_up() { # $1: what is wrong, $2: lines that may tell why; the last errors among them become part of the last line
  printf '%s\n' "$2"
  errors=$(printf '%s\n' "$2" | grep -iE 'error|fatal' || printf '%s\n' "$2" | grep .) || :
  why=$(printf '%s\n' "$errors" | sed "s/^\[[^]]*\] //; s/^$service: //" | awk '!seen[$0]++' | tail -n 3 |
    sed ':all; N; $!b all; s/\n/; /g')
  echo "$service $1${why:+: $why}"
  exit 1
}

reload=$(systemctl show --property=NeedDaemonReload --value "$service")
# That says nothing of the first file in a folder which was not there when systemd looked.
read=$(systemctl show --property=DropInPaths --value "$service")
for file; do
  case $file in */"$service".service.d/*) ;; *) continue ;; esac
  case " $read " in *" $file "*) ;; *) reload=yes ;; esac
done
if [ "$reload" = yes ]; then
  systemctl daemon-reload
  changed=changed
fi
if ! systemctl is-enabled --quiet "$service"; then
  systemctl enable --quiet "$service"
  changed=changed
fi
since=$(systemctl show --timestamp=us+utc --property=ActiveEnterTimestamp --value "$service")
if ! systemctl is-active --quiet "$service" || [ -n "$(find "$@" -newermt "$since")" ]; then
  systemctl restart "$service" || give_up "does not start" "$(news)"
  changed=changed
fi
deadline=$(($(date +%s) + 60))
until said=$(timeout 20 sh -c "$answers" 2>&1); do
  systemctl is-active --quiet "$service" || give_up "has ended" "$(news)"
  case $said in *fatal:*) give_up "cannot be asked" "$said" ;; esac # it cannot read its own configuration
  [ "$(date +%s)" -lt $deadline ] || give_up "does not answer" "$said
$(news)"
  sleep 0.2
done
echo "$changed"
