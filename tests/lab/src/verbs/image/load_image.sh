# On a board: an image of nothing but its static busybox, saved, removed and loaded again.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/root/bin" "$dir/root/tmp" "$dir/root/www"
cp /usr/bin/busybox "$dir/root/bin/"
chroot "$dir/root" /bin/busybox --install -s /bin
tar -C "$dir/root" -cf - . | docker import - lab/busybox:1 >/dev/null
docker save -o "$dir/saved.tar" lab/busybox:1
docker rmi lab/busybox:1 >/dev/null
docker load -i "$dir/saved.tar"
