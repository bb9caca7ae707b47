#!/bin/sh
# compose-keys.sh FOLDER [OWNER]: keys of the site of tests/compose.yml, made once; the client's belongs to the daemon's user.
set -eu
cd "$1"
umask 077
[ -f host_key ] || ssh-keygen -q -t ed25519 -N '' -C site-host -f host_key
[ -f client_key ] || ssh-keygen -q -t ed25519 -N '' -C site-daemon -f client_key
chown "${2:-2000}" client_key
printf 'gpu1,gpu2 %s\n' "$(cut -d ' ' -f 1,2 host_key.pub)" >known_hosts
chmod 644 known_hosts client_key.pub host_key.pub
chmod 755 .
