# Run as the first process of namespaces of its own, from which the engine, the container and all that they keep can only
# vanish together. $1: the folder for what the engine keeps, $2 to $4: its configuration; the rest is executed.
# What it says of itself goes to the report, which is standard error here.
set -e
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec 3>&2 2>&1
read -r own _ </proc/self/stat
printf '{"child-pid": %s}\n' "$own" >&3
mount -t proc proc /proc
mount -t tmpfs -o mode=700,nosuid,nodev tmpfs "$1"
cd "$1"
printf '%s' "$2" >containers.conf
printf '%s' "$3" >storage.conf
printf '%s' "$4" >seccomp.json
mkdir -p system/tmp
chmod 1777 system/tmp
for name in bin sbin lib lib32 lib64; do
    if [ -L "/$name" ]; then ln -s "usr/$name" "system/$name"; fi
done
# What is mounted below the system's folder stays writable when that is shown read-only.
while read -r _ _ _ _ place _; do
    case $place in /usr/*) mount -o remount,bind,ro "$(printf '%b' "$place")" ;; esac
done </proc/self/mountinfo
shift 4
export HOME="$PWD"
export CONTAINERS_CONF="$PWD/containers.conf" CONTAINERS_STORAGE_CONF="$PWD/storage.conf"
export CONTAINERS_REGISTRIES_CONF=/dev/null TMPDIR="$PWD"
exec "$@"
