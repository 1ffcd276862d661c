// Package durable writes small files so that a crash leaves the old content
// or the new, never a part, and so that what was reported as written is on
// disk. It may import nothing of this module.
package durable
