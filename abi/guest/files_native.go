//go:build !wasip1

package guest

import "github.com/bulkhead/bulkhead/abi"

// ReadFile reads a small file of the home.
func (c *Call) ReadFile(path string) ([]byte, error) {
	if f, ok := c.host.(SmallFiles); ok {
		return f.ReadSmall(path)
	}
	return nil, abi.NotSupported
}

// WriteFile replaces a small file of the home as a whole.
func (c *Call) WriteFile(path string, data []byte) error {
	if f, ok := c.host.(SmallFiles); ok {
		return f.WriteSmall(path, data)
	}
	return abi.NotSupported
}
