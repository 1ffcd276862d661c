#!/bin/sh
# Runs the tests of the stores, the host and the drivers, and a load, as nobody.
# What needs root is skipped there: owners, devices, privileged attributes.
set -eu
[ "$(id -u)" = 0 ] || { echo "needs root, to become nobody"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -m 1777 "$work/tmp" "$work/home"
go=$(go env GOROOT)/bin
export GOFLAGS=-buildvcs=false

as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
		env HOME="$work/home" TMPDIR="$work/tmp" GOCACHE="$work/home/cache" GOMODCACHE="$(go env GOMODCACHE)" PATH="$go:$PATH" "$@"
}

# The tests run where their testdata is; a copy that anybody may read.
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work" 2>/dev/null || true
cp drivers-wasm/built/*.wasm "$work/drivers-wasm/built/"
chmod -R a+rX "$work"
for pkg in ./host ./host/confine ./host/calls ./layer ./image ./image/archive; do
	name=$(echo "$pkg" | tr -c 'a-z\n' _).test
	go test -c -o "$work/$name" "$pkg"
	[ -e "$work/$name" ] || continue # no tests
	chmod 755 "$work/$name"
	echo "== $pkg"
	(cd "$work/$pkg" && as_nobody "$work/$name" -test.timeout 10m >"$work/log" 2>&1) || { tail -n 60 "$work/log"; exit 1; }
	tail -n 1 "$work/log"
done

echo "== a real load"
cp bin/bulkhead "$work/"
image=../shared/images/debian-slim.oci.tar
[ -e "$image" ] || { echo "no image to load"; exit 0; }
cp "$image" "$work/image.tar" && chmod 644 "$work/image.tar"
run() { as_nobody "$work/bulkhead" --root "$work/home/root" --driver vfs "$@"; }
run image load -q -i "$work/image.tar"
id=$(run image ls -q --no-trunc)
run image verify "$id"
run image save -o "$work/home/out.tar" "$id"
bin/bulkhead --root "$work/again" --driver vfs image load -q -i "$work/home/out.tar"
[ "$(bin/bulkhead --root "$work/again" --driver vfs image ls -a -q --no-trunc)" = "$id" ]
echo "the same image, by an unprivileged user"
