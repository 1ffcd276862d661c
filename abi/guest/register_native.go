//go:build !wasip1

package guest

// Register is for modules. Built natively, a driver's package has no exports
// that would need it: whoever runs it passes the driver to NewInstance.
func Register(Driver) {}
