// Package mount performs mounts for layers, as root or in a user namespace.
// It takes specs that were checked before and knows nothing of layers, of
// drivers or of configuration.
//
// What is mounted is what was checked: a Spec names directories by
// descriptors (Pinned), and these reach the kernel as descriptors, so that a
// rename or a symlink put in their place meanwhile redirects nothing. Three
// ways lead there: descriptors given to a file system context (Linux 6.15,
// with readable ones 6.13), the same by /proc's links (6.7), and mount(2) with
// names relative to /proc/self/fd, whose single page of options then has room
// for the kernel's 500 lower directories.
//
// An upper directory is never given to two overlay file systems: the kernel
// is asked whether one has it, whoever made it, in whichever namespace, and
// however it was unmounted. Asking leaves a line in the kernel's log ("workdir
// and upperdir must be separate subtrees") that means that all is well.
//
// Records remember, across processes, which mounts were made and what for.
//
// It imports graphdriver (for errors) and host/confine, and nothing else of
// this module.
package mount
