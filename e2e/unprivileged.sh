#!/bin/sh
# Runs the tests of the stores, the host and the drivers as nobody, and holds
# what nobody loads, changes, commits and squashes against what root does.
set -eu
[ "$(id -u)" = 0 ] || { echo "needs root, to become nobody"; exit 1; }
all=$(mktemp -d)
beside=
trap '[ -z "$beside" ] || kill "$beside" 2>/dev/null || true; rm -rf "$all"' EXIT
chmod 755 "$all"
work=$all/bulkhead
mkdir -m 755 "$work"
mkdir -m 1777 "$work/tmp" "$work/home"
mkdir -m 700 "$work/home/native" "$work/home/guests"
# What root's tests compiled need not be compiled again.
[ ! -d "${BULKHEAD_TEST_NATIVE:-}" ] || cp -r "$BULKHEAD_TEST_NATIVE/." "$work/home/native"
[ ! -d "${BULKHEAD_TEST_GUESTS:-}" ] || cp -r "$BULKHEAD_TEST_GUESTS/." "$work/home/guests"
chown -R 65534:65534 "$work/home/native" "$work/home/guests"
go=$(go env GOROOT)/bin
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"

as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
		env HOME="$work/home" TMPDIR="$work/tmp" BULKHEAD_TEST_NATIVE="$work/home/native" BULKHEAD_TEST_GUESTS="$work/home/guests" GOCACHE="$work/home/cache" GOMODCACHE="$(go env GOMODCACHE)" PATH="$go:$PATH" "$@"
}

# How a test says that it takes root, a power of it, or (the corpora of other
# projects) what lies in root's module cache.
rootonly='root|privilege|CAP_|this user|not permitted|nothing matches'

# The tests run where their testdata is; a copy that anybody may read.
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work" 2>/dev/null || true
cp drivers-wasm/built/*.wasm "$work/drivers-wasm/built/"
image=../shared/images/debian-slim.oci.tar
if [ -e "$image" ]; then # beside the copy, as it is beside what was copied
	mkdir -p "$all/shared/images"
	cp "$image" "$all/shared/images/"
fi
chmod -R a+rX "$all"
go build -o "$work/skipped" ./e2e/skipped

# compile PACKAGE: makes a program of its tests, if that has not been done.
compile() {
	program=$work/$(echo "$1" | tr -c 'a-z\n' _).test
	[ ! -e "$program" ] || return 0
	go test -c -vet=off -ldflags='-s -w' -o "$program" "$1" || return 1
	[ ! -e "$program" ] || chmod 755 "$program"
}

# tests PACKAGE: runs its tests, and fails if one does or is left out for
# another reason than who runs it. (In what a caller asks the outcome of, a
# failing command ends nothing by itself.)
tests() {
	name=$(echo "$1" | tr -c 'a-z\n' _)
	compile "$1" || return 1
	[ -e "$work/$name.test" ] || return 0 # no tests
	echo "== $1"
	(cd "$work/$1" && as_nobody "$work/$name.test" -test.v=test2json -test.timeout 10m >"$work/$name.log" 2>&1) ||
		{ grep -vE '(=== |--- PASS|PASS$)' "$work/$name.log" | tail -n 60; return 1; }
	go tool test2json <"$work/$name.log" | "$work/skipped" "$rootonly" || [ ! -e "$image" ]
}

in_a_user_namespace() {
	echo "== ./host in a user namespace, where some can be given away"
	if ! as_nobody unshare -Urm true 2>/dev/null; then
		echo "none can be made here: allow it (kernel.unprivileged_userns_clone, user.max_user_namespaces)"
		return 1
	fi
	(cd "$work/host" && as_nobody unshare -Urm "$work/__host.test" -test.run 'TestConformance/(vfs|overlay2)_from_source|TestRecords' \
		>"$work/userns.log" 2>&1) || { tail -n 60 "$work/userns.log"; return 1; }
	tail -n 1 "$work/userns.log"
}

others() {
	for pkg in ./host/engine/child ./host/engine/process ./host/confine ./host/calls ./host/mount ./graphdriver/naivediff ./drivers-wasm/vfs ./layer ./image ./image/v1 ./image/archive ./image/archive/hostile ./image/blobs ./image/container ./image/convert ./image/input ./image/migrate ./image/registry ./squash; do
		tests "$pkg" || return 1
	done
}

# The host's tests take as long as all else, and wait for deadlines: they run
# beside it.
compile ./host
tests ./host >"$work/beside" 2>&1 &
beside=$!
awaited() {
	ended=0
	wait "$beside" || ended=1
	beside=
	cat "$work/beside"
	return "$ended"
}
others || { awaited || true; exit 1; }
in_a_user_namespace

echo "== a real load"
cp bin/bulkhead "$work/"
[ -e "$image" ] || { echo "no image to load"; awaited; exit; } # it is not this repository's
cp "$image" "$work/image.tar" && chmod 644 "$work/image.tar"
nobody() { as_nobody "$work/bulkhead" --root "$work/home/root" --driver vfs "$@"; }
root() { "$work/bulkhead" --root "$work/again" --driver vfs "$@"; }
theirs() { "$work/bulkhead" --root "$work/home/root" --driver vfs "$@"; } # root reads what nobody wrote
nobody image load -q -i "$work/image.tar"
id=$(nobody image ls -q --no-trunc)
nobody image verify "$id"
nobody image save -o "$work/home/out.tar" "$id"
root image load -q -i "$work/home/out.tar"
[ "$(root image ls -a -q --no-trunc)" = "$id" ]
echo "the same image, by an unprivileged user"

# same WHAT COMMAND...: prints the same for root, for nobody, and for root who
# reads what nobody wrote.
same() {
	what=$1
	shift
	want=$(root "$@" | sha256sum)
	[ "$(nobody "$@" | sha256sum)" = "$want" ] || { echo "$what: nobody and root differ: $*"; exit 1; }
	[ "$(theirs "$@" | sha256sum)" = "$want" ] || { echo "$what: root reads something else of nobody's: $*"; exit 1; }
}

layers=$(root layer ls --no-trunc | sed 1d | cut -d' ' -f1)
first=$(echo "$layers" | head -n 1)
for layer in $layers; do
	same "a whole tree" layer diff --from none "$layer"
	[ "$layer" = "$first" ] || same "a difference" layer diff --from "$first" "$layer"
done
echo "the same trees and differences"

# What a container's user may do to files: both may do the same by hand.
change='cd "$1" && chmod 750 etc/passwd && rm etc/debian_version && echo new >etc/issue && mkdir -m 2755 made &&
	touch -d @1600000000 etc/issue made etc .'
for who in root nobody; do
	$who layer create --parent "$id" c1 >/dev/null
done
sh -c "$change" - "$work/again/vfs/dir/$(cat "$work/again/image/vfs/layerdb/mounts/c1/mount-id")"
as_nobody sh -c "$change" - "$work/home/root/vfs/dir/$(cat "$work/home/root/image/vfs/layerdb/mounts/c1/mount-id")"
same "a container's changes" layer changes c1
[ "$(nobody layer diff c1 | tar -tvf - --numeric-owner | grep -v ' made/$')" = "$(root layer diff c1 | tar -tvf - --numeric-owner | grep -v ' made/$')" ]
nobody layer diff c1 | tar -tvf - --numeric-owner | grep -q '^-rwxr-x--- 0/0 .* etc/passwd$'
nobody layer diff c1 | tar -tvf - --numeric-owner | grep -q '^drwxr-sr-x 65534/65534 .* made/$'
nobody image verify "$(nobody layer commit -t committed:1 c1)"

for who in root nobody; do
	$who image squash -t squashed:1 "$id" >/dev/null
done
diff_ids='{{range .RootFS.Layers}}{{.}}{{end}}'
[ "$(nobody image inspect --format "$diff_ids" squashed:1)" = "$(root image inspect --format "$diff_ids" squashed:1)" ]
theirs image verify "$(nobody image ls -q squashed:1)"
echo "the same changes and the same squashed layer"
awaited
