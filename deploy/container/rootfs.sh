#!/bin/sh
# Lays out the whole file system of the image: rootfs.sh SLUICE FOLDER
#
# The program, the libraries that it loads, the authorities that sign certificates, and who `sluice` is. Nothing
# else: no shell, no package manager.
set -eu
sluice=$1 root=$2

mkdir -p "$root/usr/local/bin" "$root/etc/ssl/certs" "$root/etc/sluice/tenants" "$root/var/lib/sluice" "$root/tmp"
install -m 755 "$sluice" "$root/usr/local/bin/sluice"

# Both the loader and the libraries, where the loader looks for them on this architecture.
ldd "$sluice" | grep -o '/[^ ]*' | grep -v ':$' | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    install -m 755 "$(readlink -f "$library")" "$root$library"
done

install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
echo 'sluice:x:65532:65532:Sluice:/var/lib/sluice:/usr/sbin/nologin' >"$root/etc/passwd"
echo 'sluice:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
# A new volume takes the owner of the folder that it is mounted on.
chown 65532:65532 "$root/var/lib/sluice"
chmod 700 "$root/var/lib/sluice"
chmod 1777 "$root/tmp"
