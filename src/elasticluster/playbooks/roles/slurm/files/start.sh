#!/bin/sh
# Lets a service run with what its files say now: starts it, or restarts it where one of them is newer than it. So the
# next setup makes good what an interrupted one left between writing and restarting.
# Arguments: the service, then its files. The last line is "changed" where something was done.
set -eu
service=$1
shift
changed=

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
  systemctl restart "$service" || {
    systemctl status --no-pager --lines=5 "$service"
    exit 1
  }
  changed=changed
fi
echo "$changed"
