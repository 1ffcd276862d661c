// Package beneath opens paths that end at a directory: with openat2 where the
// kernel has it and lets us, else by walking through the components. Both have
// the same answers, and one suite holds them to it. It imports nothing of this
// module.
package beneath
