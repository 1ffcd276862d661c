// Package check looks for whatever is wrong in the stores beneath a root, and
// says of each finding what it is, why it matters and what to do. It imports
// image, layer and the standard library, and changes nothing.
package check
