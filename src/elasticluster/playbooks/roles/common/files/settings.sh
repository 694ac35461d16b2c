# shellcheck shell=sh disable=SC2034,SC2154
# What nodes are told of package sources and SELinux, as functions for bootstrap.sh: `changed` and `family` are its own.

# Makes a file have a text, or be gone where that is empty; fails if it was so already.
rewritten() { # PATH TEXT
  if [ "$(cat "$1" 2>/dev/null)" = "$2" ]; then return 1; fi
  if [ -n "$2" ]; then
    printf '%s\n' "$2" >"$1.new"
    chmod 0644 "$1.new"
    mv -f "$1.new" "$1"
  else
    rm -f "$1"
  fi
  changed=true
}

# Lets the package manager go through a proxy; directly where that is empty.
use_proxy() { # URL
  if [ "$family" = debian ]; then
    text=
    if [ -n "$1" ]; then
      text="// Written by ElastiCluster: do not edit here.
Acquire::http::Proxy \"$1\";
Acquire::https::Proxy \"$1\";"
    fi
    rewritten /etc/apt/apt.conf.d/90elasticluster-proxy "$text" || :
  else
    text=$(dnf_conf "$1" </etc/dnf/dnf.conf) # by itself: the shell ends where this fails
    rewritten /etc/dnf/dnf.conf "$text" || :
  fi
}

# Prints the settings of dnf with another proxy, or without the one that was set here.
dnf_conf() { # URL
  mark='# ElastiCluster has set the next line.'
  if [ -n "$1" ]; then
    sed -e "/^$mark\$/d" -e '/^proxy *=/d' -e "s|^\\[main\\].*|&\\n$mark\\nproxy=$1|"
  else
    sed -e "/^$mark\$/{N;d;}"
  fi
}

# Lets the distribution's own packages come from a mirror; nobody else's sources are touched.
use_mirror() { # URL URL_OF_THE_SECURITY_ARCHIVE
  if [ -z "$1" ]; then return; fi
  if [ "$family" = debian ]; then
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/ubuntu.sources; do
      [ -s "$file" ] || continue
      text=$(apt_sources "${1%/}" "${2%/}" <"$file")
      if rewritten "$file" "$text"; then touch -d @0 /var/lib/apt/lists; fi
    done
  else
    for file in /etc/yum.repos.d/almalinux*.repo /etc/yum.repos.d/rocky*.repo; do
      [ -s "$file" ] || continue
      text=$(dnf_repo "${1%/}" <"$file")
      rewritten "$file" "$text" || :
    done
  fi
}

# Prints sources of apt, one-line or deb822, with other places for the suites of this release.
apt_sources() { # URL URL_OF_THE_SECURITY_ARCHIVE
  if [ "$ID" = ubuntu ]; then set -- "$1" "$1"; else set -- "$1" "${2:-$1-security}"; fi
  awk -v mirror="$1" -v security="$2" -v release="$VERSION_CODENAME" '
    function place(suites,   all, count, i) { # where some suites come from; nothing if they are not the release
      count = split(suites, all, " ")
      for (i = 1; i <= count; i++) if (index(all[i], release) != 1) return ""
      if (!count) return ""
      return suites ~ /-security|\/updates/ ? security : mirror
    }
    function paragraph(   i, there, following) {
      there = place(suites)
      for (i = 1; i <= lines; i++) {
        if (there && line[i] ~ /^URIs:/) { print "URIs: " there; following = 1 }
        else if (!following || line[i] !~ /^[ \t]/) { print line[i]; following = 0 }
      }
      lines = 0; suites = ""
    }
    match($0, /^deb(-src)?[ \t]+(\[[^]]*\][ \t]+)?/) {
      head = substr($0, 1, RLENGTH); rest = substr($0, RLENGTH + 1)
      split(rest, word); there = place(word[2])
      if (there) { sub(/^[^ \t]+/, there, rest); $0 = head rest }
    }
    /^[ \t]*$/ { paragraph(); print; next }
    /^Suites:/ { suites = substr($0, 8) }
    { line[++lines] = $0 }
    END { paragraph() }
  '
}

# Prints a repository of Enterprise Linux with another place for its packages.
dnf_repo() { # URL
  sed -e 's/^\(mirrorlist\|metalink\) *=/#&/' -e "s|^#* *baseurl *=.*/\\(\\\$releasever/\\)|baseurl=$1/\\1|"
}

# Lets SELinux complain and not refuse, now and after a boot; switching it off altogether would need a reboot.
relax_selinux() {
  file=/etc/selinux/config
  [ -s "$file" ] || return 0
  text=$(sed 's/^SELINUX=enforcing/SELINUX=permissive/' "$file")
  rewritten "$file" "$text" || :
  if [ "$(getenforce)" = Enforcing ]; then
    setenforce 0
    changed=true
  fi
}
