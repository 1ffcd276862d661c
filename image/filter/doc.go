// Package filter understands the conditions of `image ls --filter`: Docker's
// own, combined as Docker combines them, and some that only bulkhead has. It
// knows values, and of an image what Facts tells; it opens no store.
//
// It may import nothing of this module.
package filter
